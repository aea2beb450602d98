"""Sums over as many rows as one clip of 32 x 224 x 224 has in stage one."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from model.video_swin.layers import Linear, WindowAttention
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


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("how", ["eager", "graph", "xla", "recomputed"])
def test_the_gradient_of_a_bias_is_rounded_once(dtype, how):
    upstream = rows(dtype)
    add = tf.recompute_grad(add_bias) if how == "recomputed" else add_bias
    gradient = tf.function(
        lambda upstream: bias_gradient(add, upstream), jit_compile=how == "xla"
    )
    if how == "eager":
        gradient = gradient.python_function
    found = gradient(upstream)
    assert found.dtype == dtype
    assert error(found, exact(upstream)) < 1.01 * ROUNDING[dtype]


def test_float32_is_tensorflow_s_own_to_the_bit():
    upstream = rows("float32")
    ours = bias_gradient(lambda x, bias: add_bias(x, bias, tf.nn.bias_add), upstream)
    np.testing.assert_array_equal(ours, bias_gradient(tf.nn.bias_add, upstream))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_linear_layer_computes_what_keras_does(policy):
    x = tf.random.stateless_normal([2, 3, 4, 5], [0, 1])
    ours, theirs = (
        kind(6, bias_initializer="normal", dtype=policy, name="fc")
        for kind in (Linear, keras.layers.Dense)
    )
    for layer in (ours, theirs):
        layer.build(x.shape)
    theirs.set_weights(ours.get_weights())
    found, expected = ours(x), theirs(x)
    assert found.dtype == expected.dtype and found.shape == (2, 3, 4, 6)
    np.testing.assert_array_equal(found, expected)
    assert [v.name for v in ours.weights] == [v.name for v in theirs.weights]


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
