"""The estimate by hand for a small model, and against a traced graph."""

import itertools
import math

import pytest
import tensorflow as tf
import tf_keras as keras

from configs.schema import Model, video_swin
from model.video_swin.backbone import VideoSwin
from model.video_swin.memory import (
    GIB,
    USABLE,
    Cost,
    activation_bytes,
    costs,
    largest_batch,
    peak_bytes,
)

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
RECOMPUTE = ("none", "attention", "block")
SMALL = {
    "embed_dim": 8,
    "depths": (1,),
    "num_heads": (2,),
    "window_size": (2, 2, 2),
    "patch_size": (2, 4, 4),
}
CLIP = {"frames": 4, "size": 16}  # 2 x 4 x 4 tokens, 4 windows of 8
FULL = {"frames": 32, "size": 224}


def small(recompute="none"):
    return Model(**SMALL, recompute=recompute)


def test_a_small_model_by_hand_in_float32():
    # Patches [32, 96] and normalised tokens [32, 8].
    embedding = Cost(
        kept=4 * (32 * 96 + 32 * 8),
        passing=4 * 3 * 32 * 8,
        kernels=0,
        gradients=4 * (96 * 8 + 8 + 2 * 8),
    )
    weights_of_block = (
        3 * 3 * 3 * 2  # bias table
        + (8 * 24 + 24)  # qkv
        + (8 * 8 + 8)  # projection
        + (8 * 32 + 32)  # fc1
        + (32 * 8 + 8)  # fc2
        + 2 * (8 + 8)  # norms
    )
    scores = 4 * 2 * 8 * 8  # windows, heads, N, N
    block = Cost(
        # Norm, Q, K, V, result, norm: [32, 8] each; s: [32, 32].
        kept=4 * (6 * 32 * 8 + 32 * 32 + scores),
        # Four maps of the MLP; the gradient of the residual sum.
        passing=4 * (4 * 32 * 32 + 32 * 8),
        kernels=4 * (2 * 8 * 24 + 8 * 32),
        gradients=4 * weights_of_block,
    )
    assert costs(small(), **CLIP, precision="float32") == [embedding, block]
    weights = 96 * 8 + 8 + 2 * 8 + weights_of_block + 2 * 8 + (8 * 3 + 3)
    kept = embedding.kept + block.kept
    assert activation_bytes(small(), **CLIP, precision="float32") == (
        kept + block.passing
    )
    assert peak_bytes(small(), 3, **CLIP, precision="float32", clips=5, parts=2) == (
        (3 + 1) * 4 * weights  # weights and moments; sums over parts
        + 5 * 2 * 4 * 3 * 16 * 16  # uint8 clips
        + 5 * (kept + block.passing)
        + block.kernels
        + block.gradients
    )


def test_of_tiny_clips_the_folding_of_kernels_takes_most():
    case = {"frames": 2, "size": 32, "precision": "float32"}
    squares = 2 * 96**2 + 2 * 192**2 + 6 * 384**2 + 2 * 768**2
    assert peak_bytes(video_swin("tiny"), 101, clips=1, **case) == (
        3 * 4 * 27_928_139 + 2 * 3 * 32 * 32 + 4 * 21 * squares
    )


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("recompute", RECOMPUTE)
def test_more_clips_and_larger_ones_take_more(precision, recompute):
    model = video_swin("tiny", recompute=recompute)

    def peak(clips, frames, size):
        case = {"clips": clips, "frames": frames, "size": size}
        return peak_bytes(model, 101, precision=precision, **case)

    sizes = (64, 112, 160, 224, 256)
    for frames, size in itertools.product((8, 16, 32), sizes):
        assert peak(1, frames, size) < peak(2, frames, size) < peak(3, frames, size)
        assert peak(2, frames, size) < peak(2, 2 * frames, size)
    for one, other in itertools.pairwise(sizes):
        assert peak(2, 16, one) < peak(2, 16, other)


@pytest.mark.parametrize("variant", ["tiny", "small", "base"])
def test_recomputation_and_low_precision_take_less(variant):
    def peak(recompute, precision="float32"):
        model = video_swin(variant, recompute=recompute)
        return peak_bytes(model, 101, **FULL, precision=precision, clips=4)

    assert peak("attention") < peak("none")
    assert peak("block") < peak("none")
    for recompute in RECOMPUTE:
        assert peak(recompute, "mixed_bfloat16") < peak(recompute)
        assert peak(recompute, "mixed_float16") == peak(recompute, "mixed_bfloat16")


def test_a_cpu_widens_products_of_float16():
    model, case = video_swin("tiny", recompute="attention"), {**FULL, "clips": 1}
    for precision in PRECISIONS:
        on_gpu = peak_bytes(model, 101, **case, precision=precision)
        on_cpu = peak_bytes(model, 101, **case, precision=precision, on_cpu=True)
        assert (on_cpu > on_gpu) == (precision == "mixed_float16")


def test_the_largest_batch_is_the_last_that_fits():
    model, case = video_swin("base"), {**FULL, "precision": "mixed_bfloat16"}
    clips = largest_batch(model, 101, memory=40 * GIB, **case)
    assert peak_bytes(model, 101, clips=clips, **case) <= USABLE * 40 * GIB
    assert peak_bytes(model, 101, clips=clips + 1, **case) > USABLE * 40 * GIB
    assert largest_batch(model, 101, memory=GIB, **case) == 0


@pytest.mark.parametrize("precision", PRECISIONS[:2])
@pytest.mark.parametrize("recompute", RECOMPUTE)
def test_a_graph_keeps_what_is_estimated(precision, recompute):
    """A window that pads, shifts and shrinks; what is small beside C is left out."""
    keras.mixed_precision.set_global_policy(precision)
    architecture = {
        "embed_dim": 32,
        "depths": (2, 1),
        "num_heads": (1, 2),
        "window_size": (2, 3, 3),
        "patch_size": (2, 4, 4),
    }
    model = Model(**architecture, recompute=recompute)
    layers = costs(model, frames=8, size=64, precision=precision)
    estimate = sum(layer.kept + layer.kernels for layer in layers)
    kept = kept_bytes(VideoSwin(**architecture, recompute=recompute), 8, 64)
    # Moments of norms, masks, and under "block" a merging's input, which its block has.
    assert kept == pytest.approx(estimate, rel=0.08)


def kept_bytes(backbone, frames, size):
    """Bytes of the tensors of a graph's forward pass that its backward pass reads."""

    def gradients(clip):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(backbone(clip, training=True))
        return tape.gradient(loss, backbone.trainable_variables)

    spec = tf.TensorSpec([1, frames, 3, size, size])
    operations = tf.function(gradients).get_concrete_function(spec).graph
    operations = operations.get_operations()
    first = next(
        index
        for index, operation in enumerate(operations)
        if "gradient_tape" in operation.name
    )
    backward = set(operations[first:])
    read = {
        source(tensor).ref()
        for operation in operations[first:]
        for tensor in operation.inputs
        if tensor.op not in backward
    }
    free = {"Placeholder", "ReadVariableOp", "Const"}
    tensors = [one.deref() for one in read if one.deref().op.type not in free]
    return sum(
        math.prod(size or 1 for size in tensor.shape) * tensor.dtype.size
        for tensor in tensors
    )


def source(tensor):
    """The tensor whose memory this one only shows."""
    while tensor.op.type in {"Reshape", "Identity", "IdentityN", "ExpandDims"}:
        index = tensor.value_index if tensor.op.type == "IdentityN" else 0
        tensor = tensor.op.inputs[index]
    return tensor
