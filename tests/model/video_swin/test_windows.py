import numpy as np
import pytest
import tensorflow as tf

from model.video_swin.closed_form import REGIONS
from model.video_swin.windows import (
    relative_position_index,
    window_partition,
    window_regions,
    window_reverse,
)


def test_window_partition_is_undone_by_its_reverse():
    x = tf.random.stateless_normal([2, 4, 6, 9, 5], [1, 2])
    windows = window_partition(x, (2, 3, 3))
    assert windows.shape == (2, 12, 18, 5)
    np.testing.assert_array_equal(window_reverse(windows, (2, 3, 3), (4, 6, 9)), x)
    np.testing.assert_array_equal(windows[1, 1], tf.reshape(x[1, :2, :3, 3:6], [18, 5]))


def test_position_index_is_the_official_table():
    """Differences of coordinates, shifted to 0 and raised to mixed radix."""
    window = (2, 3, 2)
    grid = np.stack(np.meshgrid(*map(np.arange, window), indexing="ij")).reshape(3, -1)
    steps = (grid[:, :, None] - grid[:, None, :]).transpose(1, 2, 0)
    steps += np.array(window) - 1
    expected = steps @ [(2 * 3 - 1) * (2 * 2 - 1), 2 * 2 - 1, 1]
    np.testing.assert_array_equal(relative_position_index(window, 12), expected)
    np.testing.assert_array_equal(relative_position_index(window, 7), expected[:7, :7])


@pytest.mark.parametrize("shift", [(1, 1, 0), (1, 1, 1), (0, 0, 1)])
def test_regions_divide_each_window_as_the_official_mask_does(shift):
    size, window = (4, 6, 3), (2, 3, 3)
    official, count = np.zeros(size), 0
    cuts = [
        [slice(-side), slice(-side, -step or None), slice(-step or 0, None)]
        for side, step in zip(window, shift, strict=True)
    ]
    for frames in cuts[0]:
        for rows in cuts[1]:
            for columns in cuts[2]:
                official[frames, rows, columns] = count
                count += 1
    ids = window_partition(tf.constant(official[None, ..., None]), window)[0, ..., 0]
    regions = window_regions(size, window, shift)
    np.testing.assert_array_equal(
        regions[:, :, None] == regions[:, None, :], ids[:, :, None] == ids[:, None, :]
    )
    assert 0 <= np.min(regions) and np.max(regions) < REGIONS


def test_regions_are_those_of_the_worked_example():
    """The example in the docstring: 8 columns, a window of 4, a shift of 2."""
    columns = tf.reshape(tf.roll(tf.range(8), -2, axis=0), [1, 1, 1, 8, 1])
    first, second = window_partition(columns, (1, 1, 4))[0, ..., 0].numpy()
    assert list(first) == [2, 3, 4, 5] and list(second) == [6, 7, 0, 1]
    regions = window_regions((1, 1, 8), (1, 1, 4), (0, 0, 2))
    np.testing.assert_array_equal(regions, [[0, 0, 0, 0], [0, 0, 1, 1]])
