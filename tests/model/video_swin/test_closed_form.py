"""Closed-form gradients against TensorFlow's automatic ones in float64."""

import numpy as np
import pytest
import tensorflow as tf

from model.video_swin.closed_form import (
    MASKED,
    REGIONS,
    attend,
    gather_bias,
    gelu_linear,
    normalise,
    separated,
)
from model.video_swin.recompute import recomputed

EPSILON = 1e-5
WINDOWS, CLIPS, TOKENS, HEADS, SIZE = 3, 2, 6, 2, 4
HOW = ["eager", "graph", "xla", "recomputed", "recomputed twice"]
RECOMPUTED = {"recomputed": 1, "recomputed twice": 2}


def values(*shape, seed):
    """Normal float64 numbers."""
    return np.random.default_rng(seed).normal(size=shape)


def some_regions():
    """Two regions in the first window, eight in the second, one in the third."""
    return tf.constant([[0, 0, 0, 7, 7, 7], [0, 1, 2, 3, 4, 5], [6] * 6])


def plain_normalise(x):
    """LayerNorm without gain and shift, as it is defined."""
    mean, variance = tf.nn.moments(x, axes=-1, keepdims=True)
    return (x - mean) / tf.sqrt(variance + EPSILON)


def plain_gelu_linear(x, kernel, bias):
    """GELU and a linear layer, as they are defined."""
    return x * (1 + tf.math.erf(x / np.sqrt(2))) / 2 @ kernel + bias


def plain_attend(qkv, bias, regions=None):
    """Attention with the official mask, as it is defined."""
    query, key, value = tf.unstack(tf.transpose(qkv, [2, 0, 3, 1, 4]))
    scores = query @ tf.linalg.matrix_transpose(key) + bias
    if regions is not None:
        other = regions[:, :, None] != regions[:, None, :]
        mask = tf.where(other, tf.cast(MASKED, scores.dtype), 0)
        scores += tf.tile(mask, [CLIPS, 1, 1])[:, None]
    return tf.transpose(tf.nn.softmax(scores) @ value, [0, 2, 1, 3])


def plain_gather_bias(table, index):
    """Each pair's row of the table, as a product with ones and zeros."""
    chosen = tf.one_hot(index, table.shape[0], dtype=table.dtype)
    return tf.transpose(chosen @ table, [2, 0, 1])


QKV = values(CLIPS * WINDOWS, TOKENS, 3, HEADS, SIZE, seed=1)
BIAS = values(HEADS, TOKENS, TOKENS, seed=2)
ROWS = 11
INDEX = np.random.default_rng(3).integers(0, ROWS, [TOKENS, TOKENS])
# name: ours, as defined, arguments
OPERATIONS = {
    "normalise": (
        lambda x: normalise(x, EPSILON, x.dtype),
        plain_normalise,
        [3 + 2 * values(5, 7, 16, seed=1)],
    ),
    "gelu_linear": (
        gelu_linear,
        plain_gelu_linear,
        # Far out, too, where GELU is 0 or x itself and its tails are rounded away.
        [
            values(40, 8, seed=1) * np.geomspace(0.01, 30, 40)[:, None],
            values(8, 5, seed=2),
            values(5, seed=3),
        ],
    ),
    "gather_bias": (
        lambda table: gather_bias(table, INDEX),
        lambda table: plain_gather_bias(table, INDEX),
        [values(ROWS, HEADS, seed=1)],
    ),
    "attend": (attend, plain_attend, [QKV, BIAS]),
    "attend to regions": (
        lambda *arguments: attend(*arguments, some_regions()),
        lambda *arguments: plain_attend(*arguments, some_regions()),
        [QKV, BIAS],
    ),
    "attend and recompute": (
        lambda *arguments: attend(*arguments, some_regions(), recompute=True),
        lambda *arguments: plain_attend(*arguments, some_regions()),
        [QKV, BIAS],
    ),
}


def results(function, arguments, how="eager"):
    """The result of a function, and its gradients for a weighted sum of the result."""

    def compute(*arguments):
        called = function
        for _ in range(RECOMPUTED.get(how, 0)):
            called = recomputed(called)
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            result = called(*arguments)
            weights = tf.constant(values(*result.shape, seed=9), result.dtype)
            total = tf.reduce_sum(result * weights)
        return [result, *tape.gradient(total, arguments)]

    if how != "eager":
        compute = tf.function(compute, jit_compile=how == "xla", autograph=False)
    return compute(*arguments)


def distances(found, expected):
    """Lengths of differences over the lengths of what is expected."""
    return [
        float(np.linalg.norm(np.float64(a) - b) / np.linalg.norm(b))
        for a, b in zip(found, expected, strict=True)
    ]


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("how", HOW)
def test_results_and_gradients_are_right(name, how):
    ours, plain, arguments = OPERATIONS[name]
    exact = results(plain, [tf.constant(v) for v in arguments])
    rounded = [tf.constant(v, tf.float32) for v in arguments]
    assert max(distances(results(ours, rounded, how), exact)) < 1e-6


@pytest.mark.parametrize("name", OPERATIONS)
def test_gradients_of_gradients_are_right(name):
    """They are made of operations that TensorFlow can differentiate in turn."""
    ours, plain, arguments = OPERATIONS[name]

    def penalty(function):
        def length(*arguments):
            with tf.GradientTape() as tape:
                tape.watch(arguments)
                total = tf.reduce_sum(tf.sin(function(*arguments)))
            gradients = tape.gradient(total, arguments)
            return tf.stack([tf.reduce_sum(tf.square(g)) for g in gradients])

        return length

    exact = results(penalty(plain), [tf.constant(v) for v in arguments])
    rounded = [tf.constant(v, tf.float32) for v in arguments]
    found = results(penalty(ours), rounded)
    assert max(distances(found, exact)) < 1e-5


def test_other_regions_cost_what_the_official_mask_adds_to_the_bit():
    query, key = (
        tf.constant(values(CLIPS * WINDOWS, HEADS, TOKENS, SIZE, seed=seed), tf.float32)
        for seed in (1, 2)
    )
    wide = [x * 0 for x in (query, key)]
    added = tf.matmul(*separated(*wide, some_regions()), transpose_b=True)
    regions = some_regions()
    same = np.tile(regions[:, :, None] == regions[:, None, :], [CLIPS, 1, 1])
    expected = np.where(same, 0, MASKED)[:, None]
    np.testing.assert_array_equal(added, np.broadcast_to(expected, added.shape))
    longer, _ = separated(query, key, some_regions())
    assert longer.shape[-1] == SIZE + REGIONS
