"""Window arithmetic of Video Swin: padding, partition, shift regions, positions.

This is the arithmetic behind section 3.2 of the paper. The rules are those of
`mmaction/models/backbones/swin_transformer.py` in the official repository. Only vectors
as long as an axis or a window are stored in a graph; masks and index tables are
computed from them.

Shapes are spelt as in `model.video_swin.backbone`.
"""

import math

import numpy as np
import tensorflow as tf

from model.video_swin.sizes import padded_size


def pad_to_multiples(x, sides):
    """Pads [B, T, H, W, C] with zeros behind, so that `sides` divide (T, H, W)."""
    size = x.shape[1:4]
    padding = np.subtract(padded_size(size, sides), size)
    if not any(padding):
        return x
    return tf.pad(x, [[0, 0], *([0, extra] for extra in padding), [0, 0]])


def window_partition(x, window):
    """[B, T, H, W, C] -> [B, W, N, C]; the sides of `window` divide (T, H, W)."""
    (frames, height, width, channels), (t, h, w) = x.shape[1:], window
    grid = (frames // t, height // h, width // w)
    # What stays together counts as one axis: other runtimes transpose six at most.
    x = tf.reshape(x, [-1, t, grid[1], h, grid[2], w * channels])
    x = tf.transpose(x, [0, 2, 4, 1, 3, 5])
    return tf.reshape(x, [-1, math.prod(grid), t * h * w, channels])


def window_reverse(windows, window, size):
    """[B, W, N, C] -> [B, T, H, W, C] of size (T, H, W); undoes `window_partition`."""
    (_, height, width), (t, h, w), channels = size, window, windows.shape[-1]
    x = tf.reshape(windows, [-1, height // h, width // w, t, h, w * channels])
    x = tf.transpose(x, [0, 3, 1, 4, 2, 5])
    return tf.reshape(x, [-1, *size, channels])


def window_regions(size, window, shift):
    """Which tokens of shifted windows belong together.

    Shifted windows are computed as unshifted windows of a map that was rolled by the
    shift. A window at the far border then also holds tokens that came round from the
    near border, which are no neighbours of the others. Tokens attend to each other only
    if along each axis both or neither of them came round. This is what the mask of the
    official `compute_mask` says: its ids also tell the last window from those before,
    which no two tokens of one window differ in.

    Example: a map of 1 frame, 1 row and 8 columns with a window of 4 columns and a
    shift of 2, that is `size=(1, 1, 8), window=(1, 1, 4), shift=(0, 0, 2)`.

        position after the roll   0  1  2  3 | 4  5  6  7
        column of the map         2  3  4  5 | 6  7  0  1
        region                    0  0  0  0 | 0  0  1  1

    The first window holds columns 2 to 5, which all attend to each other. In the second
    columns 6 and 7 do, and columns 0 and 1.

    Args:
        size: (T, H, W) of the feature map, padded to multiples of the window.
        window: (t, h, w) as it is for this map.
        shift: (t, h, w) by which the map was rolled; 0 along an axis without shift.

    Returns:
        int32 [W, N] below 8, one binary digit for each axis.
    """
    regions = tf.zeros([1, 1, 1], tf.int32)
    for axis, (length, step) in enumerate(zip(size, shift, strict=True)):
        came_round = np.int32(np.arange(length) >= length - step)
        along = np.where(np.eye(3)[axis], -1, 1)
        regions = 2 * regions + tf.reshape(came_round, along)
    return window_partition(regions[tf.newaxis, ..., tf.newaxis], window)[0, :, :, 0]


def relative_position_index(window_size, tokens):
    """Row of the bias table for each pair of a window's first `tokens` tokens.

    The table has a row for each possible difference of two positions in a window
    (section 3.2, 3D relative position bias), in the order of frames, rows and columns.

    A shrunken window takes the first N rows and columns of the full window's table, as
    the official code does, although its tokens lie elsewhere in the full window.

    Args:
        window_size: (t, h, w) as configured, never shrunken.
        tokens: N, at most t * h * w.

    Returns:
        int32 [N, N] below (2t - 1)(2h - 1)(2w - 1).
    """
    spans = [2 * side - 1 for side in window_size]
    strides = np.array([spans[1] * spans[2], spans[2], 1])
    coordinates = np.stack(np.unravel_index(np.arange(tokens), window_size), axis=-1)
    codes = tf.constant(coordinates @ strides, tf.int32)
    centre = int((np.array(window_size) - 1) @ strides)
    return tf.expand_dims(codes, 1) - codes + centre
