"""A second computation gives the same, and begins when its gradient is there."""

import collections

import numpy as np
import pytest
import tensorflow as tf

from model.video_swin.block import Block
from model.video_swin.linear import build
from model.video_swin.recompute import recomputed
from tests.replicas import ancestors

SIZE = [2, 2, 8, 8, 16]


@pytest.fixture(scope="module")
def block():
    block = Block(16, 2, (2, 4, 4), shifted=True, name="block")
    build(block, None)
    generator = np.random.default_rng(1)
    for variable in block.trainable_variables:
        variable.assign(generator.normal(scale=0.3, size=variable.shape))
    return block


def gradients_of(run, block, jit_compile=None):
    """A function: x, scales -> the result and its gradients for all there is."""

    @tf.function(autograph=False, jit_compile=jit_compile)
    def compute(x, scales):
        with tf.GradientTape() as tape:
            tape.watch([x, scales])
            result = run(x, scales)
            total = tf.reduce_sum(tf.identity(result, name="result") ** 2)
        sources = [x, scales, *block.trainable_variables]
        return [result, *tape.gradient(total, sources)]

    return compute


def arguments():
    generator = np.random.default_rng(2)
    x = generator.normal(size=SIZE).astype(np.float32)
    return tf.constant(x), tf.constant([[1.0, 0.0], [2.0, 0.5]])


@pytest.mark.parametrize("jit_compile", [None, True])
def test_results_and_gradients_are_the_same(block, jit_compile):
    expected = gradients_of(block, block)(*arguments())
    found = gradients_of(recomputed(block), block, jit_compile)(*arguments())
    assert len(found) == 3 + len(block.trainable_variables)
    for mine, other in zip(found, expected, strict=True):
        scale = np.abs(other).max()
        np.testing.assert_allclose(mine / scale, other / scale, rtol=0, atol=2e-6)


ARITHMETIC = {"AddV2", "Erf", "GatherV2", "MatMul", "BatchMatMulV2", "Mul", "Sum"}


def computed_at_once(run, block):
    """How many operations of each kind need not wait for the result of the block."""
    specs = [tf.TensorSpec(value.shape, value.dtype) for value in arguments()]
    graph = gradients_of(run, block).get_concrete_function(*specs).graph
    operations = [op for op in graph.get_operations() if op.type in ARITHMETIC]
    [result] = [op for op in graph.get_operations() if op.name == "result"]
    return collections.Counter(
        op.type for op in operations if result not in ancestors(op)
    )


def test_nothing_is_computed_again_before_it_is_needed(block):
    """Not even what depends on variables alone, which TensorFlow would do at once."""
    once = computed_at_once(block, block)
    assert once["GatherV2"] == 1 and once["Mul"] > 5
    assert computed_at_once(recomputed(block), block) == once
    assert computed_at_once(tf.recompute_grad(block), block) > once
