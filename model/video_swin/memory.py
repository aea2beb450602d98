"""How many bytes a training step of a Video Swin takes, from its configuration alone.

What is counted are tensors, as TensorFlow's own counters do, on GPUs as on CPUs
(`tf.config.experimental.get_memory_info`): neither what its allocator holds beyond them
nor the rest of the process. `python -m benchmarks.what_fits --check` compares the
estimate with what these counters say.

Symbols are those of `model.video_swin.backbone`; what is kept for the backward pass is
decided in `closed_form.py` and `block.py`.
"""

import dataclasses
import math

from model.video_swin.parameters import (
    BYTES,
    count_parameters,
    of_block,
    of_merging,
    of_patch_embedding,
)
from model.video_swin.sizes import CHANNELS, MLP_RATIO, effective_window, padded_size

GIB = 2**30
FLOAT = 4  # bytes of what is float32 under every precision
COPIES = 3  # of all weights: themselves and AdamW's two moments
# Of a GPU or a machine. The rest is for what is not counted: a library's workspace,
# gaps between tensors, operations that overlap otherwise than is assumed.
USABLE = 0.9


@dataclasses.dataclass(frozen=True)
class Cost:
    """Bytes of one layer.

    Attributes:
        kept: of each clip, from the forward to the backward pass.
        passing: of each clip, at the most demanding moment of the backward pass besides
            what is kept.
        kernels: of weights that are folded or rounded for their products; kept like
            activations.
        gradients: of its weights.
    """

    kept: int
    passing: int
    kernels: int
    gradients: int


def peak_bytes(model, classes, *, clips, parts=1, **case):
    """The most that tensors take at any moment of an update.

    The backward pass frees what a layer has kept and makes its gradients, from the last
    layer to the first: the peak is at the most demanding of them. Only of small clips
    it is where a step begins, and the kernels of all layers are folded.

    Args:
        model: a `configs.schema.Model` whose architecture is set.
        classes: how many the head tells apart.
        clips: computed at once, by one replica.
        parts: in which a replica's batch is computed, of so many clips each.
        **case: the other arguments of `costs`.

    Returns:
        Bytes on one replica, weights and AdamW's moments included.
    """
    layers = costs(model, **case)
    passes = max(
        clips * (kept + layer.passing) + kernels + gradients
        for layer, kept, kernels, gradients in moments(layers)
    )
    weights = BYTES * count_parameters(model, classes)
    pixels = clips * parts * case["frames"] * CHANNELS * case["size"] ** 2
    totals = weights if parts > 1 else 0
    return COPIES * weights + pixels + totals + max(passes, folding_bytes(model))


def activation_bytes(model, **case):
    """The most that is kept, and passing, of one clip. Args as in `costs`."""
    layers = costs(model, **case)
    return max(kept + layer.passing for layer, kept, _, _ in moments(layers))


def largest_batch(model, classes, *, memory, **case):
    """The most clips that one replica can compute at once.

    Args:
        model: as in `peak_bytes`.
        classes: likewise.
        memory: bytes of the device, of which `USABLE` are used.
        **case: the other arguments of `costs`.
    """
    clips = 0
    while peak_bytes(model, classes, clips=clips + 1, **case) <= USABLE * memory:
        clips += 1
    return clips


def moments(layers):
    """The backward pass, at each layer.

    Args:
        layers: a `Cost` each, in the order of the forward pass.

    Yields:
        (layer; what is still there of this layer and those before it, as `kept` and
        `kernels`; the gradients so far).
    """
    for index, layer in enumerate(layers):
        before = layers[: index + 1]
        yield (
            layer,
            sum(other.kept for other in before),
            sum(other.kernels for other in before),
            sum(other.gradients for other in layers[index:]),
        )


def folding_bytes(model):
    """What is there of kernels as a step begins, which folds those of all layers.

    They wait for no other operation. Each of qkv (3 C^2) and fc1 (4 C^2) is multiplied
    by the norm's gain and by its shift, the former by the queries' scale before, and
    fc2 (4 C^2) by the constant of GELU.
    """
    squares = sum(
        depth * (model.embed_dim << stage) ** 2
        for stage, depth in enumerate(model.depths)
    )
    return FLOAT * squares * (3 + 2 * (3 + MLP_RATIO) + MLP_RATIO)


def costs(model, *, frames, size, precision, on_cpu=False):
    """`Cost` of each layer in the order of the forward pass.

    The last norm and the head come to nothing beside them.

    Args:
        model: a `configs.schema.Model` whose architecture is set.
        frames: of a clip.
        size: height and width of a clip in pixels.
        precision: float32, mixed_bfloat16 or mixed_float16.
        on_cpu: whether the device is a CPU, which computes products of float16 in
            float32.
    """
    low = FLOAT if precision == "float32" else 2
    grid = [
        -(-length // side)
        for length, side in zip((frames, size, size), model.patch_size, strict=True)
    ]
    widened = 2 if on_cpu and precision == "mixed_float16" else 0
    layers = [patch_embedding(model, math.prod(grid), low)]
    for stage, (depth, heads) in enumerate(
        zip(model.depths, model.num_heads, strict=True)
    ):
        width = model.embed_dim << stage
        if stage:
            grid = [grid[0], -(-grid[1] // 2), -(-grid[2] // 2)]
            layers.append(patch_merging(math.prod(grid), width // 2, low))
        layers += depth * [block(model, grid, width, heads, low, widened)]
    return layers


def patch_embedding(model, tokens, low):
    """`Cost` of the patch embedding: keeps patches and normalised tokens."""
    pixels = CHANNELS * math.prod(model.patch_size)
    tokens_bytes = tokens * model.embed_dim * FLOAT
    return Cost(
        kept=tokens * pixels * low + tokens_bytes,
        passing=3 * tokens_bytes,
        kernels=0,
        gradients=BYTES * of_patch_embedding(model),
    )


def patch_merging(tokens, width, low):
    """`Cost` of a patch merging, by tokens of its output and C of its input."""
    return Cost(
        kept=tokens * 4 * width * low,
        passing=2 * tokens * 4 * width * FLOAT,
        kernels=8 * width**2 * (low if low == FLOAT else low + FLOAT),
        gradients=BYTES * of_merging(width),
    )


def block(model, grid, width, heads, low, widened=0):
    """`Cost` of a block.

    Args:
        model: a `configs.schema.Model`.
        grid: T, H, W of the feature map.
        width: its C.
        heads: h.
        low: bytes of a number in the precision of the computation.
        widened: how many copies of the scores products make in float32.
    """
    window, _ = effective_window(grid, model.window_size)
    side = math.prod(window)
    tokens = math.prod(grid) * width
    in_windows = math.prod(padded_size(grid, window)) * width
    hidden = MLP_RATIO * tokens
    scores = in_windows // width * side * heads * low
    # The normalised tokens, Q, K and V, and the result; the normalised tokens and s.
    kept = (5 * in_windows + tokens + hidden) * low
    kernels = kernels_of_block(width, low)
    # `gelu_linear` holds four maps at once, and under a mixed policy further ones in
    # both precisions. `attend`, by then without what the MLP kept, holds the gradient
    # of the scores, and those of Q, K and V in two layouts.
    rounded = 0 if low == FLOAT else FLOAT + 2 * low
    mlp = hidden * (3 * FLOAT + low + rounded)
    attention = scores + widened * scores // low * FLOAT
    attention += (8 * in_windows - tokens - hidden) * low
    if model.recompute == "attention":
        attention += scores + 3 * in_windows * low
        kernels += heads * side**2 * low  # the bias
    else:
        kept += scores
    passing = max(mlp, attention) + tokens * FLOAT  # the gradient of the residual sum
    if model.recompute == "block":
        # While a block is computed again, sums over the scores of the one behind it
        # may still be under way.
        kept, kernels, passing = tokens * FLOAT, 0, kept + passing + scores
    gradients = BYTES * of_block(width, heads, model.window_size)
    return Cost(kept, passing, kernels, gradients)


def kernels_of_block(width, low):
    """Bytes of a block's kernels that are kept for the gradients.

    qkv and fc1 with the norm's gain, and qkv with the queries' scale alone; under a
    mixed policy all four kernels are rounded.
    """
    if low == FLOAT:
        return width**2 * (3 + 3 + MLP_RATIO) * FLOAT
    return width**2 * (3 * FLOAT + (3 + 1 + 2 * MLP_RATIO) * low)
