"""The confusion matrix as a picture, in which a single wrong video is seen."""

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from model.evaluation.metrics import confusions
from storage.pictures import drawn_as_they_are, label, png

MOST_LABELS = 400  # names along a side of the picture, which then has 68 inches
MOST_COUNTS = 500  # numbers written into cells; each takes time and memory
MOST_PAIRS = 5  # confusions that the title names
FEW = 30  # classes that leave room for large letters
TITLE = 8  # points
UNDECIDED = "no prediction"
FAINTEST = 0.35  # part of a colour map where it begins: below is nearly white


def matrix_png(matrix, class_names, result):
    """The matrix as the bytes of a PNG file.

    What is right, on the diagonal, is blue, what is wrong orange. Both begin with a
    colour that stands out from white, which is left to cells without any video. Where
    videos have no prediction, a last column shows them.

    Args:
        matrix: int [classes, classes + 1], videos by label and prediction; the last
            column has those without a prediction.
        class_names: in the order of the labels.
        result: `top1` and `videos` of the evaluation.
    """
    labels = [label(name) for name in class_names]
    classes = len(labels)
    counts = matrix if matrix[:, -1].any() else matrix[:, :-1]
    shares = _shares(counts)
    title = [f"top-1 {result['top1']:.3f}, {result['videos']} videos"]
    title += worst_confusions(matrix, labels)
    with drawn_as_they_are(labels):
        figure = Figure(figsize=_inches(labels, len(title)), layout="compressed")
        axes = figure.subplots()
        # An image would be scaled to the picture's pixels first, at 32 bytes each.
        edges = [np.arange(length + 1) - 0.5 for length in counts.shape[::-1]]
        shown = np.ma.masked_equal(shares, 0)
        cells = axes.pcolormesh(*edges, shown, cmap=_colours(), vmin=-1, vmax=1)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        _name_axes(axes, labels, has_undecided=counts.shape[1] > classes)
        if classes <= MOST_LABELS:
            _write_counts(axes, counts, shares)
        figure.suptitle("\n".join(title), fontsize=TITLE)
        _explain_colours(figure.colorbar(cells, ax=axes, shrink=0.6))
        return png(figure, dpi=120)


def worst_confusions(matrix, names):
    """The most frequent confusions in words, such as "YoYo taken for Punch 3 of 12".

    Args:
        matrix: see `matrix_png`.
        names: of the classes.

    Returns:
        At most `MOST_PAIRS` lines, in the order of `confusions`.
    """
    return [
        f"{names[label]} taken for {names[prediction]} {count} of {videos}"
        for label, prediction, count, videos in confusions(matrix, MOST_PAIRS)
    ]


def _inches(labels, lines):
    """Width and height that leave room for names, a title and the bar of colours."""
    cells = max(0.16 * min(len(labels), MOST_LABELS), 2.4)
    letters = max(map(len, [*labels, UNDECIDED]))
    names = letters * _letters(labels) * 0.6 / 72  # Most are narrower than high.
    return cells + names + 1.7, cells + names + 0.6 + lines * TITLE * 1.3 / 72


def _letters(labels):
    """Points of the letters of names."""
    return 9 if len(labels) <= FEW else 5


def _shares(counts):
    """Each count as a fraction of its label's videos, below 0 off the diagonal."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.where(np.eye(*counts.shape, dtype=bool), shares, -shares)


def _colours():
    """The colours of -1 (all wrong) to 1 (all right), with a step in the middle."""
    parts = np.linspace(FAINTEST, 1, 128)
    maps = matplotlib.colormaps
    return ListedColormap([*maps["Oranges"](parts[::-1]), *maps["Blues"](parts)])


def _explain_colours(bar):
    """Labels the bar of colours, of which both halves are fractions."""
    shown = ["1 wrong", "0.5", "0", "0.5", "1 right"]
    bar.set_ticks([-1, -0.5, 0, 0.5, 1], labels=shown)
    bar.set_label("fraction of the label's videos")


def _name_axes(axes, labels, *, has_undecided):
    """Writes the names of the classes, or every so many of them."""
    size = _letters(labels)
    ticks = [*range(0, len(labels), -(-len(labels) // MOST_LABELS))]
    shown = [labels[tick] for tick in ticks]
    axes.set_yticks(ticks, shown, fontsize=size)
    last = ([len(labels)], [UNDECIDED]) if has_undecided else ([], [])
    axes.set_xticks(ticks + last[0], shown + last[1], rotation=90, fontsize=size)
    axes.set_xlabel("prediction")
    axes.set_ylabel("label")


def _write_counts(axes, counts, shares):
    """Writes numbers of videos into cells: the wrong ones, and all where there is room.

    Of very many the largest are written.
    """
    few = len(counts) <= FEW
    rows, columns = np.nonzero(counts if few else shares < 0)
    largest = np.argsort(-counts[rows, columns], kind="stable")[:MOST_COUNTS]
    for row, column in zip(rows[largest], columns[largest], strict=True):
        axes.text(
            column,
            row,
            counts[row, column],
            ha="center",
            va="center",
            fontsize=8 if few else 6,
            color="white" if abs(shares[row, column]) >= 0.5 else "black",
        )
