"""2D Swin models trained on images, as initial weights of a video model.

The official `inflate_weights`: the patch kernel is repeated over the frames of a patch
and divided by their number, bias tables are repeated over the frames of a window and,
where the window's sides differ, resized before that.
"""

import math

import numpy as np

from configs.command.errors import ConfigError
from model.weights.names import PATCH_KERNEL

# Of the official configurations; a 2D model does not say them.
PATCH_FRAMES = 2
WINDOW_FRAMES = 8
TABLE = "relative_position_bias_table"


def is_2d(tensors):
    """Whether official tensors are those of an image model."""
    return PATCH_KERNEL in tensors and tensors[PATCH_KERNEL].ndim == 4


def inflate(tensors, window_size=None):
    """Tensors of a 2D model as those of a 3D backbone.

    Buffers that follow from the architecture and the head, which knows images, are left
    out.

    Args:
        tensors: by official name.
        window_size: (t, h, w) wanted; None keeps the 2D window's sides.
    """
    inflated = {}
    for name, value in tensors.items():
        if name.endswith(("relative_position_index", "attn_mask")):
            continue
        if not name.startswith("backbone."):
            continue
        if name == PATCH_KERNEL:
            value = np.stack([value] * PATCH_FRAMES, axis=2) / PATCH_FRAMES
        elif name.endswith(TABLE):
            value = inflate_table(value, window_size)
        inflated[name] = value
    return inflated


def inflated_window(tensors):
    """The window (t, h, w) that `inflate` gives a 2D model unless told otherwise.

    Args:
        tensors: by official name.

    Returns:
        The 2D window's sides over 8 frames; None where there is no bias table.
    """
    tables = (tensors[name] for name in sorted(tensors) if name.endswith(TABLE))
    table = next(tables, None)
    return None if table is None else window_of_table(table)


def window_of_table(table):
    """The window (t, h, w) that a table [(2s - 1)^2, heads] of a 2D model gets."""
    span = math.isqrt(table.shape[0]) if table.ndim == 2 else 0
    if not span % 2 or span * span != len(table):
        raise ConfigError(
            "The relative position bias tables of a 2D model must have (2s - 1)^2 rows "
            f"for windows of s x s; received {list(table.shape)}."
        )
    return WINDOW_FRAMES, (span + 1) // 2, (span + 1) // 2


def inflate_table(table, window_size):
    """A table [(2s - 1)^2, heads] -> [(2t - 1)(2h - 1)(2w - 1), heads]."""
    own = window_of_table(table)
    span = 2 * own[1] - 1
    frames, *sides = window_size or own
    spans = [2 * side - 1 for side in sides]
    if spans != [span, span]:
        plane = table.reshape(span, span, -1)
        plane = np.einsum(
            "yi,xj,ijh->yxh", bicubic(span, spans[0]), bicubic(span, spans[1]), plane
        )
        table = plane.reshape(math.prod(spans), -1).astype(table.dtype)
    return np.tile(table, (2 * frames - 1, 1))


def bicubic(old, new):
    """The matrix [new, old] that resizes a line as PyTorch's bicubic mode does.

    Keys's cubic convolution with a = -0.75, pixel centres at halves, borders repeated.
    """
    positions = (np.arange(new) + 0.5) * old / new - 0.5
    matrix = np.zeros((new, old))
    for tap in range(-1, 3):
        neighbours = np.floor(positions) + tap
        x = np.abs(positions - neighbours)
        near = (1.25 * x - 2.25) * x * x + 1
        far = -0.75 * (((x - 5) * x + 8) * x - 4)
        columns = np.clip(neighbours, 0, old - 1).astype(int)
        np.add.at(matrix, (np.arange(new), columns), np.where(x <= 1, near, far))
    return matrix
