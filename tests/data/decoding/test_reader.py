import gc

import numpy as np
import pytest
import tensorflow as tf

from data.decoding.reader import ALIGNMENT, Buffers

SHAPE = (2, 1, 3, 3, 64, 64)


def address(array):
    return array.__array_interface__["data"][0]


@pytest.fixture
def buffers():
    return Buffers()


def test_memory_is_aligned_and_writable(buffers):
    for _ in range(5):
        array = buffers.empty(*SHAPE)
        assert address(array) % ALIGNMENT == 0
        assert array.shape == SHAPE and array.flags.c_contiguous
        array[:] = 7


def test_memory_is_used_again_once_nobody_holds_it(buffers):
    first = address(buffers.empty(*SHAPE))
    gc.collect()

    assert address(buffers.empty(*SHAPE)) == first


@pytest.mark.parametrize(
    "keep",
    [
        lambda array: array,
        lambda array: array[:, 0],
        lambda array: array.reshape(-1, 3, 64, 64)[1:2],
        lambda array: memoryview(array),
        lambda array: tf.numpy_function(lambda: array[:, 0], [], tf.uint8),
        lambda array: tf.numpy_function(lambda: array[:, 0], [], tf.uint8).numpy(),
    ],
)
def test_memory_in_use_is_left_alone(buffers, keep):
    array = buffers.empty(*SHAPE)
    array[:] = 7
    kept = keep(array)
    del array
    gc.collect()

    others = [buffers.empty(*SHAPE) for _ in range(3)]
    for other in others:
        other[:] = 9
    assert (np.asarray(kept) == 7).all()
