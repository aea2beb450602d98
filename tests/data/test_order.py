"""Classes take turns, videos of a class take turns, from any position on."""

import collections

import numpy as np
import pytest
import tensorflow as tf

from data.order import training_order

SETS = {
    "11 of 3": [0, 1, 2, 0, 1, 2, 1, 2, 1, 2, 1],
    "even": [0, 1, 2, 3] * 3,
    "one each": [2, 0, 1],
    "one class": [0] * 5,
    "one more than classes": [0, 1, 2, 3, 3],
    "a class without videos": [0, 0, 2, 2, 2, 5],
    "rare and common": [0] * 1 + [1] * 19 + [2] * 5 + [3] * 4,
}


def indices(labels, begin, count, seed=3, sampling="balanced"):
    """The videos at `count` positions from `begin` on, as the stream maps them."""
    order = training_order(sampling, np.array(labels, np.int32), seed)
    positions = tf.data.Dataset.range(begin, begin + count)
    return np.array(list(positions.map(order).as_numpy_iterator()))


@pytest.fixture(params=SETS.values(), ids=SETS.keys())
def labels(request):
    return np.array(request.param)


def test_every_class_comes_equally_often_in_every_epoch(labels):
    """Counted one by one: exactly where the classes divide the clips, else within 1."""
    videos, classes = len(labels), len(set(labels))
    stream = indices(labels, 0, 60 * videos)
    for epoch in stream.reshape(60, videos):
        counts = collections.Counter(labels[epoch].tolist())
        assert set(counts) == set(labels.tolist())
        assert max(counts.values()) - min(counts.values()) <= (videos % classes > 0)


def test_every_round_has_every_class_once(labels):
    classes = sorted(set(labels.tolist()))
    stream = indices(labels, 0, 30 * len(classes))
    for turn in labels[stream].reshape(30, len(classes)):
        assert sorted(turn.tolist()) == classes


def test_no_video_comes_again_before_all_of_its_class_have_come(labels):
    stream = indices(labels, 0, 40 * len(labels)).tolist()
    for name in set(labels.tolist()):
        members = set(np.flatnonzero(labels == name).tolist())
        turns = [video for video in stream if labels[video] == name]
        cycles = zip(*[iter(turns)] * len(members), strict=False)
        assert all(set(cycle) == members for cycle in cycles)


@pytest.mark.parametrize("begin", [1, 7, 10, 11, 12, 100, 131])
def test_it_begins_anywhere(labels, begin):
    whole = indices(labels, 0, begin + 25)
    np.testing.assert_array_equal(indices(labels, begin, 25), whole[begin:])


def test_it_begins_at_once_however_far(labels):
    stream = indices(labels, 4 * 10**12, 2 * len(labels))  # A whole round, at least.
    assert set(labels[stream].tolist()) == set(labels.tolist())


def test_classes_and_videos_come_in_changing_orders():
    labels = np.array(SETS["rare and common"])
    stream = indices(labels, 0, 4 * 19 * 4)
    turns = labels[stream].reshape(-1, 4)
    assert len({tuple(turn) for turn in turns}) > 10
    common = stream[labels[stream] == 1].reshape(4, 19)
    assert len({tuple(cycle) for cycle in common}) == 4
    other = indices(labels, 0, len(stream), seed=4)
    assert (stream != other).any()


def test_uniform_is_a_permutation_of_all_videos_each_epoch(labels):
    """And the one it was before there was another order: runs of old go on."""
    videos = len(labels)
    stream = indices(labels, 0, 3 * videos, sampling="uniform")
    for epoch, order in enumerate(stream.reshape(3, videos)):
        expected = [
            int(tf.random.experimental.index_shuffle(i, [3, epoch], videos - 1))
            for i in range(videos)
        ]
        assert order.tolist() == expected and sorted(expected) == [*range(videos)]
