"""Computes which regions of its frames a clip shows, the same for all of them."""

import math

import numpy as np

ASPECT_RATIOS = (3 / 4, 4 / 3)
ATTEMPTS = 10  # before a crop falls back to the centre
CROP_DRAWS = 2 * ATTEMPTS + 2  # area and shape of each attempt, position of the crop


def random_resized_crop(height, width, *, crop_area, draws):
    """A region of random area and shape: mmaction's `RandomResizedCrop`.

    The fraction of the area and the logarithm of the aspect ratio are uniform. The
    first of ten attempts that fits into the frame gets a uniform position. If none
    fits, the region is the centred square.

    Args:
        height: height of the frame in pixels.
        width: width of the frame in pixels.
        crop_area: (smallest, largest) fraction of the frame's area, in (0, 1].
        draws: float [CROP_DRAWS] from [0, 1).

    Returns:
        (top, left, height, width) in pixels.
    """
    smallest, largest = crop_area
    areas = height * width * (smallest + (largest - smallest) * draws[:ATTEMPTS])
    low, high = (math.log(ratio) for ratio in ASPECT_RATIOS)
    ratios = np.exp(low + (high - low) * draws[ATTEMPTS : 2 * ATTEMPTS])
    widths = np.maximum(np.rint(np.sqrt(areas * ratios)), 1).astype(np.int64)
    heights = np.maximum(np.rint(np.sqrt(areas / ratios)), 1).astype(np.int64)
    fits = np.flatnonzero((widths <= width) & (heights <= height))
    if not len(fits):
        return centre_square(height, width)
    crop_height, crop_width = int(heights[fits[0]]), int(widths[fits[0]])
    down, right = draws[2 * ATTEMPTS :]
    return (
        int(down * (height - crop_height + 1)),
        int(right * (width - crop_width + 1)),
        crop_height,
        crop_width,
    )


def centre_square(height, width, fraction=1.0):
    """The centred square whose side is a fraction of the shorter side.

    The fraction 224 / 256 means "resize the short side to 256, crop the centre 224".

    Args:
        height: height of the frame in pixels.
        width: width of the frame in pixels.
        fraction: side of the square in units of the shorter side, in (0, 1].

    Returns:
        (top, left, height, width) in pixels.
    """
    side = max(round(min(height, width) * fraction), 1)
    return (height - side) // 2, (width - side) // 2, side, side


def three_crop(height, width, count=3, fraction=1.0):
    """Squares that are evenly spaced along the longer side, centred on the shorter.

    Three of the shorter side's size are mmaction's `ThreeCrop`, three smaller ones
    SlowFast's `uniform_crop`; a single one is the centred square.

    Args:
        height: height of the frame in pixels.
        width: width of the frame in pixels.
        count: how many squares.
        fraction: side of a square in units of the shorter side, in (0, 1].

    Returns:
        list of `count` (top, left, height, width) in pixels.
    """
    centre = centre_square(height, width, fraction)
    if count == 1:
        return [centre]
    top, left, side, _ = centre
    if height > width:
        places = [((height - side) * i // (count - 1), left) for i in range(count)]
    else:
        places = [(top, (width - side) * i // (count - 1)) for i in range(count)]
    return [(top, left, side, side) for top, left in places]
