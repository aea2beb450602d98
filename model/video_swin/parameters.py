"""How many weights a Video Swin trains, from its configuration alone."""

import math

from model.video_swin.sizes import CHANNELS, MLP_RATIO

BYTES = 4  # variables and gradients are float32 under every precision


def count_parameters(model, classes):
    """Trainable weights of backbone and head.

    Counted from the shapes, which takes neither TensorFlow nor memory; a test builds
    the models and compares.

    Args:
        model: a `configs.schema.Model` whose architecture is set.
        classes: how many the head tells apart.
    """
    widths = [model.embed_dim << stage for stage in range(len(model.depths))]
    total = of_patch_embedding(model)
    for width, depth, heads in zip(widths, model.depths, model.num_heads, strict=True):
        total += depth * of_block(width, heads, model.window_size)
    total += sum(of_merging(width) for width in widths[:-1])
    return total + _norm(widths[-1]) + _dense(widths[-1], classes)


def of_patch_embedding(model):
    """Patch embedding and its norm."""
    pixels = CHANNELS * math.prod(model.patch_size)
    return _dense(pixels, model.embed_dim) + _norm(model.embed_dim)


def of_merging(width):
    """A patch merging of maps of so many channels; it has no bias."""
    return _norm(4 * width) + 4 * width * 2 * width


def of_block(width, heads, window_size):
    """A block, with its table of relative positions."""
    table = math.prod(2 * side - 1 for side in window_size) * heads
    attention = table + _dense(width, 3 * width) + _dense(width, width)
    hidden = MLP_RATIO * width
    perceptron = _dense(width, hidden) + _dense(hidden, width)
    return 2 * _norm(width) + attention + perceptron


def _dense(inputs, outputs):
    return inputs * outputs + outputs


def _norm(width):
    return 2 * width
