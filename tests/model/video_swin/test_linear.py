"""Linear layers with and without a norm before them, against Keras's."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from model.video_swin.linear import GeluLinear, LayerNorm, Linear

POLICIES = ["float32", "mixed_bfloat16", "mixed_float16"]
# Two results of low precision differ by a few of its roundings, u = 2^-8 and 2^-11.
TOLERANCE = {"float32": 2e-6, "mixed_bfloat16": 2**-5, "mixed_float16": 2**-8}


def build(*kinds, channels):
    """Layers with random weights, none of them zero."""
    generator = np.random.default_rng(0)
    for layer in kinds:
        layer.build([None, None, channels])
        layer.set_weights([generator.normal(size=w.shape) for w in layer.get_weights()])
    return kinds


def features(*shape):
    """Features whose mean and size differ from those of a norm."""
    return 1 + 3 * tf.random.stateless_normal(shape, [0, 1])


@pytest.mark.parametrize("policy", POLICIES)
def test_a_linear_layer_computes_what_keras_does(policy):
    x = features(2, 3, 4, 5)
    ours, theirs = build(
        Linear(6, dtype=policy, name="fc"),
        keras.layers.Dense(6, dtype=policy, name="fc"),
        channels=5,
    )
    theirs.set_weights(ours.get_weights())
    found, expected = ours(x), theirs(x)
    assert found.dtype == expected.dtype and found.shape == (2, 3, 4, 6)
    np.testing.assert_array_equal(found, expected)
    assert [v.name for v in ours.weights] == [v.name for v in theirs.weights]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("use_bias", [True, False])
def test_a_norm_before_a_linear_layer_is_applied_to_its_kernel(policy, use_bias):
    x = features(2, 3, 4, 16)
    norm, linear = build(LayerNorm(), Linear(8, use_bias, dtype=policy), channels=16)
    factor = tf.range(1.0, 9.0)
    found = linear(x, norm, factor=factor)
    expected = tf.cast(linear(norm(x)), tf.float32) * factor
    assert found.dtype == linear.compute_dtype
    assert distance(found, expected) < TOLERANCE[policy]


def test_a_norm_leaves_padding_as_it_is():
    norm, linear = build(LayerNorm(), Linear(8), channels=16)
    x = tf.pad(features(2, 3, 4, 16), [[0, 0], [0, 0], [0, 1], [0, 0]])
    padding = tf.constant([[0.0, 0.0, 0.0, 0.0, 1.0]] * 3)
    found = linear(x, norm, padding=padding)
    assert distance(found[:, :, :4], linear(norm(x[:, :, :4]))) < 2e-6
    assert distance(found[:, :, 4], tf.broadcast_to(linear.bias, [2, 3, 8])) < 2e-6


@pytest.mark.parametrize("policy", POLICIES)
def test_gelu_comes_before_its_linear_layer(policy):
    gelu, linear = build(
        GeluLinear(8, dtype=policy), Linear(8, dtype=policy), channels=16
    )
    linear.set_weights(gelu.get_weights())
    x = tf.cast(features(2, 3, 16), gelu.compute_dtype)
    found, expected = gelu(x), linear(tf.nn.gelu(x, approximate=False))
    assert found.dtype == expected.dtype == gelu.compute_dtype
    assert distance(found, expected) < TOLERANCE[policy]


def test_layer_norm_is_that_of_keras():
    ours, theirs = build(
        LayerNorm(), keras.layers.LayerNormalization(epsilon=1e-5), channels=16
    )
    theirs.set_weights(ours.get_weights())
    x = features(2, 3, 16)
    assert distance(ours(x), theirs(x)) < 2e-6


def distance(found, expected):
    """The length of the difference of two tensors over that of the second."""
    found, expected = (tf.cast(x, tf.float64) for x in (found, expected))
    return float(tf.norm(found - expected) / tf.norm(expected))
