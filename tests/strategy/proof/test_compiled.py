"""Plain and compiled gradients: a difference is found, a failure is said."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from strategy import check_compiled


class Small(keras.Model):
    """A classifier whose trace may differ from one time to the next."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.head = layer, keras.layers.Dense(3)
        self.head.build([None, 4])

    def call(self, clip, training=False):
        return self.head(self.layer(tf.cast(clip, tf.float32)))

    def draw_masks(self, seed):
        return ()

    def sums_and_gradients(self, inputs, labels, example_weights, scaled_weights):
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels, self(inputs["clip"])
            )
            loss = tf.reduce_sum(scaled_weights * losses)
        return {"loss": loss}, tape.gradient(loss, self.trainable_variables)


CLIPS = (
    {
        "clip": np.random.default_rng(0).integers(0, 9, [5, 4]).astype(np.uint8),
        "seed": np.ones([5, 2], np.int32),
    },
    np.arange(5, dtype=np.int32) % 3,
    np.ones([5], np.float32),
)


def check(layer):
    tf.random.set_seed(0)
    return check_compiled(Small(layer), "CPU:0", CLIPS, 1e-3)


def test_equal_gradients_are_ok():
    finding = check(tf.nn.gelu)
    assert finding.verdict == "ok"
    assert "ms plain" in finding.text and "ms compiled" in finding.text


@pytest.mark.parametrize("factor", [1.01, float("nan")])
def test_other_gradients_are_wrong(factor):
    factors = iter([1.0, factor])  # of the first trace and of the second
    assert check(lambda values: values * next(factors)).is_wrong


def test_what_xla_cannot_compile_is_a_note():
    def layer(values):
        return tf.ensure_shape(
            tf.py_function(lambda v: v, [values], tf.float32), [5, 4]
        )

    finding = check(layer)
    assert finding.verdict == "note" and "does not compile here" in finding.text
