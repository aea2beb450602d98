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

MASKED = -100.0  # what the official code adds to scores across region borders


def effective_window(size, window_size):
    """Shrinks a window, axis by axis, to a feature map that is smaller.

    An axis no longer than the window is not shifted.

    Args:
        size: (T, H, W) of the feature map.
        window_size: (t, h, w) as configured.

    Returns:
        The window and the shift of every second block, (t, h, w) each
        (official `get_window_size`).
    """
    shift = tuple(
        0 if length <= side else side // 2
        for length, side in zip(size, window_size, strict=True)
    )
    return tuple(map(min, size, window_size)), shift


def pad_to_multiples(x, sides):
    """Pads [B, T, H, W, C] with zeros behind, so that `sides` divide (T, H, W)."""
    padding = [-length % side for length, side in zip(x.shape[1:4], sides, strict=True)]
    if not any(padding):
        return x
    return tf.pad(x, [[0, 0], *([0, extra] for extra in padding), [0, 0]])


def window_partition(x, window):
    """[B, T, H, W, C] -> [B, W, N, C]; the sides of `window` divide (T, H, W)."""
    (frames, height, width, channels), (t, h, w) = x.shape[1:], window
    grid = (frames // t, height // h, width // w)
    x = tf.reshape(x, [-1, grid[0], t, grid[1], h, grid[2], w, channels])
    x = tf.transpose(x, [0, 1, 3, 5, 2, 4, 6, 7])
    return tf.reshape(x, [-1, math.prod(grid), t * h * w, channels])


def window_reverse(windows, window, size):
    """[B, W, N, C] -> [B, T, H, W, C] of size (T, H, W); undoes `window_partition`."""
    channels = windows.shape[-1]
    grid = [length // side for length, side in zip(size, window, strict=True)]
    x = tf.reshape(windows, [-1, *grid, *window, channels])
    x = tf.transpose(x, [0, 1, 4, 2, 5, 3, 6, 7])
    return tf.reshape(x, [-1, *size, channels])


def region_mask(size, window, shift, dtype):
    """What is added to the scores of shifted windows: 0 within a region, else MASKED.

    Shifted windows are computed as unshifted windows of a map that was rolled by the
    shift. A window at the far border then also holds tokens that came round from the
    near border, which are no neighbours of the others. Along each axis the official
    `compute_mask` gives a position one of three ids: 0 before the last window, 1 in the
    last window, 2 in the part of it that came round. Tokens attend to each other only
    if their ids agree along all three axes.

    Example: a map of 1 frame, 1 row and 8 columns with a window of 4 columns and a
    shift of 2, that is `size=(1, 1, 8), window=(1, 1, 4), shift=(0, 0, 2)`.

        position after the roll   0  1  2  3 | 4  5  6  7
        column of the map         2  3  4  5 | 6  7  0  1
        id                        0  0  0  0 | 1  1  2  2

    The first window holds columns 2 to 5, all with id 0: nothing is masked. The second
    holds columns 6 and 7 with id 1, and columns 0 and 1 with id 2. Its mask is

                 6     7     0     1
        6        0     0  -100  -100
        7        0     0  -100  -100
        0     -100  -100     0     0
        1     -100  -100     0     0

    Only the ids are stored in the graph; the mask itself is computed. A mask of Swin-T
    for clips of 32 x 224 x 224 would be a constant of 79 MB.

    Args:
        size: (T, H, W) of the feature map, padded to multiples of the window.
        window: (t, h, w) as it is for this map.
        shift: (t, h, w) by which the map was rolled; 0 along an axis without shift.
        dtype: of the scores.

    Returns:
        [W, N, N] of `dtype`.
    """
    ids = tf.zeros([1, 1, 1], tf.int32)
    for axis, (length, side, step) in enumerate(zip(size, window, shift, strict=True)):
        positions = np.arange(length)
        along = (positions >= length - side).astype(np.int32)
        along += positions >= length - step
        # One number for the ids along all axes, their digits to the base of 3.
        ids = 3 * ids + tf.reshape(along * bool(step), np.where(np.eye(3)[axis], -1, 1))
    ids = window_partition(ids[tf.newaxis, ..., tf.newaxis], window)[0, :, :, 0]
    same = ids[:, :, tf.newaxis] == ids[:, tf.newaxis, :]
    return tf.where(same, tf.zeros([], dtype), tf.constant(MASKED, dtype))


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
    return codes[:, tf.newaxis] - codes[tf.newaxis, :] + centre
