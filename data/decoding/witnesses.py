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
LEAST_DIFFERENCE, MEAN_DIFFERENCE = 0.5, 4.0
# Where only a part of the picture is broken, the mean over all of it may stay small.
OUTLIER, OUTLIERS = 40, 1 / 32
# Blue, green and red to brightness by ITU-R BT.601, as both convert it.
LUMA = np.float32([0.114, 0.587, 0.299])
# Stored brightness to [0, 255]: it uses 16 to 235, in the formats yuvj… all of it.
FULL_RANGE = np.arange(256, dtype=np.float32)
LIMITED_RANGE = (np.clip(FULL_RANGE, 16, 235) - 16) * np.float32(255 / 219)
# Rounding of three colours, on average and at a pixel where they are saturated.
MEAN_ROUNDING, ROUNDING = 1.5, 12
MOVEMENT = 16  # levels by which a pixel changes where something moves


class Witness:
    """PyAV's frames of a file, and what they say against those of OpenCV.

    Attributes:
        video: the `AvVideo`.
        aspect: the shape of a stored pixel, see `AvVideo.pixel_aspect`.
        turned: whether the frames are turned by a quarter to be shown.
    """

    def __init__(self, video):
        """Begins at the first frame.

        Args:
            video: an `AvVideo`, just opened.
        """
        self.video, self.aspect, self.turned = video, video.pixel_aspect, False
        self._kind = None  # of the frame before
        self._last = None  # (number, OpenCV's checksum, brightness) of the one compared

    def changes(self, frame):
        """Whether a frame is of another format or size than the one before."""
        kind = frame.format.name, frame.width, frame.height
        changes, self._kind = kind != self._kind, kind
        if changes:
            self.turned = self.video.is_turned(frame)
        return changes

    def objection(self, number, image, checksum, frame, *, colours):
        """Why OpenCV's pixels of a frame cannot be believed; None if they can.

        Args:
            number: of the frame.
            image: uint8 [height, width, 3], blue, green, red, by OpenCV.
            checksum: of the image.
            frame: PyAV's, with the same number.
            colours: whether colours are compared in any case, or only where the
                brightness is not the same.
        """
        if frame.interlaced_frame:
            # Where little moves, what OpenCV then makes of it looks right at a glance.
            return f"cannot be relied on for interlaced frames, as {number} is"
        luma = self.video.luma(frame)
        same = not colours and _same_brightness(image, luma, frame.format.name)
        # That needs no conversion to RGB, which costs as much as decoding.
        if not same and not same_colours(image, self.video.image(frame)):
            return f"has other pixels in frame {number}"
        lines = None if luma is None else luma[::8]
        last, self._last = self._last, (number, checksum, lines)
        if last and last[:2] == (number - 1, checksum) and _moves(last[2], lines):
            return f"repeats frame {number - 1} where another follows"
        return None


def _moves(before, now):
    """Whether something moves between the brightness of two frames."""
    if before is None or now is None or before.shape != now.shape:
        return False
    return bool(np.abs(now.astype(np.int16) - before).max() > MOVEMENT)


def same_colours(image, expected):
    """Whether two pictures are the same but for rounding.

    Args:
        image: uint8 [height, width, 3], blue, green, red, by OpenCV.
        expected: the same by PyAV.
    """
    if expected.shape != image.shape:
        return False
    expected = _grid(expected).astype(np.int16)
    difference = np.abs(_grid(image) - expected)
    broken = np.mean(difference.max(axis=-1) > OUTLIER)
    # A dark or dull picture differs little from any other such one.
    allowed = np.clip(expected.std() / 8, LEAST_DIFFERENCE, MEAN_DIFFERENCE)
    return bool(difference.mean() <= allowed and broken <= OUTLIERS)


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
