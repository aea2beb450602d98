"""Random decisions about a clip: stateless, and one for all of its frames.

Every number comes from a counter-based generator keyed by (seed, position), so a
decision depends on nothing that ran before it, in this process or in any other.
"""

import math

import numpy as np

ASPECT_RATIOS = (3 / 4, 4 / 3)
ATTEMPTS = 10  # before a crop falls back to the centre
CROP_DRAWS = 2 * ATTEMPTS + 2  # area and shape of each attempt, place of the crop


def uniforms(seed, position, count):
    """Draws from [0, 1) that are a pure function of (seed, position).

    Taken from the raw output of Philox-4x64, which NumPy keeps the same between
    versions, unlike the distributions of its `Generator`.

    Args:
        seed: two ints in [0, 2^31): the run's seed, and which stream draws.
        position: int in [0, 2^63): where in a stream.
        count: how many.

    Returns:
        float64 [count].
    """
    key = [seed[0] | seed[1] << 32, position]
    raw = np.random.Philox(key=key).random_raw(count)
    return (raw >> np.uint64(11)) * 2.0**-53


def random_resized_crop(height, width, *, area, draws):
    """A region of random area and shape: mmaction's `RandomResizedCrop`.

    Area share and logarithm of the aspect ratio are uniform; the first of ten
    attempts that fits is placed uniformly; if none fits, the centred square.

    Args:
        height, width: of the frame in pixels.
        area: (smallest, largest) share of the frame's area, in (0, 1].
        draws: float [CROP_DRAWS] from [0, 1).

    Returns:
        (top, left, height, width) in pixels.
    """
    areas = height * width * (area[0] + (area[1] - area[0]) * draws[:ATTEMPTS])
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


def centre_square(height, width, share=1.0):
    """The centred square whose side is `share` of the shorter side.

    A share of 224 / 256 is "resize the short side to 256, crop the centre 224".

    Returns:
        (top, left, height, width) in pixels.
    """
    side = max(round(min(height, width) * share), 1)
    return (height - side) // 2, (width - side) // 2, side, side


def squares_along(height, width, count):
    """Squares of the shorter side's size, evenly spaced along the longer side.

    Three of them are mmaction's `ThreeCrop`; one is the centred square.

    Returns:
        list of `count` (top, left, height, width) in pixels.
    """
    if count == 1:
        return [centre_square(height, width)]
    side = min(height, width)
    steps = [
        ((height - side) * i // (count - 1), (width - side) * i // (count - 1))
        for i in range(count)
    ]
    return [(top, left, side, side) for top, left in steps]
