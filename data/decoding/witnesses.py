"""Whether OpenCV and PyAV decode the same frame to the same pixels.

A decoder that is wrong without saying so is found by another one that is not: the two
come with different releases of FFmpeg.
"""

import numpy as np

# About so many rows and columns of pixels are compared.
GRID = 16
# The same frame gives the same pixels where both convert it to RGB in the same way, as
# they do now, and differs by up to 2 levels on average where one of them interpolates
# colours otherwise. Noise, black, or another place of the scene differ by more than 10.
MEAN_DIFFERENCE = 4.0
# Where only a part of the picture is broken, the mean over all of it may stay small.
OUTLIER, OUTLIERS = 40, 1 / 32
# Blue, green and red to brightness by ITU-R BT.601, as both convert it.
LUMA = np.float32([0.114, 0.587, 0.299])
# Stored brightness to [0, 255]: it uses 16 to 235, in the formats yuvj… all of it.
FULL_RANGE = np.arange(256, dtype=np.float32)
LIMITED_RANGE = (np.clip(FULL_RANGE, 16, 235) - 16) * np.float32(255 / 219)
# Rounding of three colours, on average and at a pixel where they are saturated.
MEAN_ROUNDING, ROUNDING = 1.5, 12


def same_frame(image, frame, video, *, colours):
    """Whether OpenCV's pixels of a frame are those of PyAV.

    Args:
        image: uint8 [height, width, 3], blue, green, red, by OpenCV.
        frame: av.VideoFrame with the same number.
        video: the `AvVideo` that it comes from.
        colours: whether colours are compared in any case. Without, a frame is taken for
            the same where the brightness that PyAV decoded is the same: that needs no
            conversion to RGB, which costs as much as decoding.
    """
    if not colours and _same_brightness(image, video.luma(frame), frame.format.name):
        return True
    expected = video.image(frame)
    if expected.shape != image.shape:
        return False
    difference = np.abs(_grid(image).astype(np.int16) - _grid(expected))
    broken = np.mean(difference.max(axis=-1) > OUTLIER)
    return bool(difference.mean() <= MEAN_DIFFERENCE and broken <= OUTLIERS)


def _same_brightness(image, stored, kind):
    """Whether an image is as bright, to rounding, as the stored brightness says.

    Args:
        image: uint8 [height, width, 3], blue, green, red.
        stored: uint8 [height, width], or None.
        kind: name of FFmpeg's pixel format.
    """
    if stored is None or stored.shape != image.shape[:2]:
        return False
    scale = FULL_RANGE if kind.startswith("yuvj") else LIMITED_RANGE
    difference = _grid(image) @ LUMA
    difference -= scale[_grid(stored)]
    np.abs(difference, out=difference)
    if difference.max() > ROUNDING:
        return False
    return bool(difference.sum() <= MEAN_ROUNDING * difference.size)


def _grid(image):
    """Evenly spaced pixels of an image, a view."""
    rows, columns = (max(size // GRID, 1) for size in image.shape[:2])
    return image[rows // 2 :: rows, columns // 2 :: columns]
