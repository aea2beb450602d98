"""How a stored frame is shown: turned, mirrored, with pixels that are not square."""

import struct

# A pixel that is shown this much wider than high, or higher than wide, counts as
# square: AVI headers write 321 : 240 for 320 x 240 pixels.
NEARLY_SQUARE = 1.02
# Beyond that a pixel's shape is taken for a mistake in the header.
LONGEST_PIXEL = 4


def display_matrix(frame):
    """How a frame must be turned and mirrored to be shown.

    Args:
        frame: av.VideoFrame. It stays in memory until Python looks for reference
            cycles, so this is not for every frame of a long video.

    Returns:
        ((a, b), (c, d)): a stored pixel at (x, y) is shown at (a x + c y, b x + d y),
        but for a shift; (1, 0), (0, 1) where the file does not say.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return (1, 0), (0, 1)
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data))
    return (a, b), (c, d)


def upright(image, matrix):
    """Turns and mirrors an image as a display matrix says.

    Quarter turns and mirrorings are applied, other angles are rounded to them.

    Args:
        image: [height, width, …].
        matrix: see `display_matrix`.

    Returns:
        A view of the image, [height, width, …] or [width, height, …].
    """
    (a, b), (c, d) = matrix
    if abs(b) > abs(a):
        image = image.swapaxes(0, 1)
        across, down = c, b
    else:
        across, down = a, d
    return image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]


def pixel_aspect(ratio):
    """The shape of a pixel by a stream's `sample_aspect_ratio`, a Fraction or None."""
    ratio = float(ratio or 1)
    longer = max(ratio, 1 / ratio) if ratio > 0 else 1
    return ratio if NEARLY_SQUARE < longer <= LONGEST_PIXEL else 1.0
