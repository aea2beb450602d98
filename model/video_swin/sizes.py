"""Sizes that follow from the configuration alone, without TensorFlow."""

CHANNELS = 3
MLP_RATIO = 4


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


def padded_size(size, sides):
    """The least multiples of `sides` that (T, H, W) fits into."""
    return tuple(
        length + -length % side for length, side in zip(size, sides, strict=True)
    )
