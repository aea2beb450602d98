"""Window arithmetic of Video Swin: padding, partition, shift regions, positions.

The rules are those of `mmaction/models/backbones/swin_transformer.py` in the official
repository. Only vectors as long as an axis or a window are stored in a graph; masks and
index tables are computed from them.
"""

import math

import numpy as np
import tensorflow as tf

MASKED = -100.0  # what the official code adds to scores across region borders


def effective_window(size, window):
    """Shrinks a window to a feature map it does not fit, which then has no shift.

    Args:
        size: (T, H, W) of the feature map.
        window: (t, h, w) as configured.

    Returns:
        The window and the shift of every second block, (t, h, w) each
        (official `get_window_size`).
    """
    shift = tuple(
        0 if length <= side else side // 2
        for length, side in zip(size, window, strict=True)
    )
    return tuple(map(min, size, window)), shift


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

    After the cyclic shift a window may hold tokens from opposite borders of the clip.
    Along each axis the official `compute_mask` cuts three regions: up to the last
    window, that window up to the shift, the wrapped rest. Only these small ids are
    stored in the graph; the mask itself is computed.

    Returns:
        [W, N, N] of `dtype`.
    """
    ids = tf.zeros([1, 1, 1], tf.int32)
    for axis, (length, side, step) in enumerate(zip(size, window, shift, strict=True)):
        positions = np.arange(length)
        along = (positions >= length - side).astype(np.int32)
        along += positions >= length - step
        ids = 3 * ids + tf.reshape(along * bool(step), np.where(np.eye(3)[axis], -1, 1))
    ids = window_partition(ids[tf.newaxis, ..., tf.newaxis], window)[0, :, :, 0]
    same = ids[:, :, tf.newaxis] == ids[:, tf.newaxis, :]
    return tf.where(same, tf.zeros([], dtype), tf.constant(MASKED, dtype))


def relative_position_index(window, tokens):
    """Row of the bias table for each pair of a window's first `tokens` tokens.

    A shrunken window takes the first N rows and columns of the full window's table, as
    the official code does, although its tokens lie elsewhere in the full window.

    Args:
        window: (t, h, w) as configured, never shrunken.
        tokens: N, at most t * h * w.

    Returns:
        int32 [N, N] below (2t - 1)(2h - 1)(2w - 1).
    """
    spans = [2 * side - 1 for side in window]
    strides = np.array([spans[1] * spans[2], spans[2], 1])
    places = np.stack(np.unravel_index(np.arange(tokens), window), axis=-1)
    codes = tf.constant(places @ strides, tf.int32)
    centre = int((np.array(window) - 1) @ strides)
    return codes[:, tf.newaxis] - codes[tf.newaxis, :] + centre
