"""The confusion matrix as a picture."""

import numpy as np
from matplotlib.figure import Figure

from storage.pictures import drawn_as_they_are, label, png

MOST_LABELS = 400  # names along a side of the picture, which then has 68 inches


def matrix_png(matrix, class_names, result):
    """The matrix as the bytes of a PNG file.

    Args:
        matrix: int [classes, classes + 1], videos by label and prediction; the last
            column has those without a prediction.
        class_names: in the order of the labels.
        result: `top1` and `videos` of the evaluation.
    """
    labels = [label(name) for name in class_names]
    classes = len(labels)
    fraction = matrix[:, :classes] / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 3.5 + 0.16 * min(max(classes, 8), MOST_LABELS)
    ticks = range(0, classes, -(-classes // MOST_LABELS))
    with drawn_as_they_are(labels):
        figure = Figure(figsize=(side, side), layout="constrained")
        axes = figure.subplots()
        # An image would be scaled to the picture's pixels first, at 32 bytes each.
        edges = np.arange(classes + 1) - 0.5
        cells = axes.pcolormesh(edges, edges, fraction, cmap="Blues", vmin=0, vmax=1)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        size = 9 if classes <= 30 else 5
        shown = [labels[tick] for tick in ticks]
        axes.set_xticks(ticks, shown, rotation=90, fontsize=size)
        axes.set_yticks(ticks, shown, fontsize=size)
        axes.set_xlabel("prediction")
        axes.set_ylabel("label")
        axes.set_title(
            f"top-1 {result['top1']:.3f}, {result['videos']} videos", fontsize=10
        )
        if classes <= 30:
            _write_counts(axes, matrix[:, :classes], fraction)
        figure.colorbar(
            cells, ax=axes, shrink=0.6, label="fraction of the label's videos"
        )
        return png(figure, dpi=120)


def _write_counts(axes, counts, fraction):
    """Writes the number of videos into each cell that has any."""
    for row, column in zip(*np.nonzero(counts), strict=True):
        shade = "white" if fraction[row, column] > 0.5 else "black"
        axes.text(
            column, row, counts[row, column], ha="center", va="center", color=shade
        )
