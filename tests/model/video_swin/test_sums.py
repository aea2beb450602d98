"""Sums over as many rows as one clip of 32 x 224 x 224 has in stage one."""

import numpy as np
import pytest
import tensorflow as tf

from model.video_swin.block import WindowAttention
from model.video_swin.recompute import recomputed
from model.video_swin.sums import add_bias
from model.video_swin.windows import relative_position_index

ROWS, COLUMNS = 50_176, 24
# The exact sum of what was rounded, itself rounded once: half a unit in the last place.
ROUNDING = {"bfloat16": 2**-8, "float16": 2**-11}


def rows(dtype):
    """Rows of a mean above 0, so that sums are far larger than what they add up."""
    values = np.random.default_rng(0).normal(0.2, size=[ROWS, COLUMNS])
    return tf.cast(values, dtype)


def bias_gradient(add, upstream):
    """The gradient of a bias where `upstream` comes back."""
    bias = tf.zeros([COLUMNS], upstream.dtype)
    with tf.GradientTape() as tape:
        tape.watch(bias)
        y = add(tf.zeros_like(upstream), bias)
    return tape.gradient(y, bias, upstream)


def error(found, expected):
    """The largest relative error of any element."""
    return np.abs(tf.cast(found, tf.float64).numpy() / expected - 1).max()


def exact(x):
    """The sum over rows in float64."""
    return tf.cast(x, tf.float64).numpy().sum(axis=0)


def test_the_gradient_of_a_bias_in_float32():
    upstream = rows("float32")
    # Partial sums of hundreds of rows round their own way.
    assert error(bias_gradient(add_bias, upstream), exact(upstream)) < 2**-18


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("how", ["eager", "graph", "xla", "recomputed"])
def test_the_gradient_of_a_bias_is_rounded_once(dtype, how):
    upstream = rows(dtype)
    add = recomputed(add_bias) if how == "recomputed" else add_bias
    gradient = tf.function(
        lambda upstream: bias_gradient(add, upstream), jit_compile=how == "xla"
    )
    if how == "eager":
        gradient = gradient.python_function
    found = gradient(upstream)
    assert found.dtype == dtype
    assert error(found, exact(upstream)) < 1.01 * ROUNDING[dtype]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_gradient_of_a_bias_table_is_summed_in_float32(policy):
    """A full window gathers each of its 2,535 rows for up to 392 pairs of tokens."""
    window, tokens = (8, 7, 7), 392
    layer = WindowAttention(8, 1, window, dtype=policy)
    layer.build(None)
    values = np.random.default_rng(0).normal(0.2, size=[1, tokens, tokens])
    upstream = tf.cast(values, layer.compute_dtype)
    with tf.GradientTape() as tape:
        bias = layer.position_bias(tokens)
    found = tape.gradient(bias, layer.relative_position_bias_table, upstream)
    index = relative_position_index(window, tokens).numpy().ravel()
    expected = np.bincount(index, tf.cast(upstream, tf.float64).numpy().ravel())
    assert bias.dtype == layer.compute_dtype and found.dtype == tf.float32
    np.testing.assert_allclose(found[:, 0], expected, rtol=0, atol=1e-4)
