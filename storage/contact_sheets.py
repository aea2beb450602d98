"""Contact sheets: pictures with one clip in each row."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from storage.pictures import drawn_as_they_are, label, png

COLUMNS = 8  # frames shown of each clip, evenly spaced
INCHES = 1.4  # side of a frame


def contact_sheet_png(titles, rows):
    """A contact sheet as the bytes of a PNG file.

    Args:
        titles: the text above each row, as `clip_title` gives it.
        rows: uint8 [T, 3, size, size] of each clip.
    """
    with drawn_as_they_are(titles):
        return png(contact_sheet(titles, rows), dpi=80)


def contact_sheet(titles, rows):
    """A figure with one clip in each row.

    Args:
        titles: the text above each row.
        rows: uint8 [T, 3, size, size] of each clip.

    Returns:
        matplotlib Figure.
    """
    columns = min(COLUMNS, len(rows[0]))
    figure = Figure(
        figsize=(columns * INCHES, len(rows) * (INCHES + 0.25)), layout="constrained"
    )
    for axes, title, clip in zip(
        figure.subplots(len(rows), squeeze=False)[:, 0], titles, rows, strict=True
    ):
        picked = clip[np.linspace(0, len(clip) - 1, columns).astype(int)]
        gaps = ((0, 0), (0, 0), (0, 0), (0, 2))
        picked = np.pad(picked, gaps, constant_values=255)
        # [columns, 3, height, width] -> [height, columns * width, 3]
        strip = picked.transpose(2, 0, 3, 1).reshape(picked.shape[2], -1, 3)
        axes.imshow(strip)
        axes.set_title(title, fontsize=8, loc="left")
        axes.set_axis_off()
    return figure


def clip_title(class_name, video, weight=1):
    """What a sheet says of a clip.

    Args:
        class_name: of its class.
        video: the name of its video.
        weight: 0 where it could not be decoded.
    """
    lost = "" if weight else ", could not be decoded"
    return f"{label(class_name)}: {label(Path(video).stem)}{lost}"
