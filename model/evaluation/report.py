"""Writes an evaluation: evaluation.json, predictions.csv, the confusion matrix."""

import csv
import io
import json

import numpy as np
from absl import logging
from matplotlib.figure import Figure

from model.evaluation.metrics import TOP, class_accuracies, confusion_matrix, scores
from storage.files import remove, write_atomically
from storage.pictures import drawn_as_they_are, label, png

# What makes a spreadsheet take a cell for a formula when it is the first character
# (OWASP, "CSV Injection"; the last four are the wide forms of East Asian keyboards).
FORMULA = tuple("=+-@\t\r\n＝＋－＠")
MARK = "'"  # in front of such a cell, and of one that begins with it
MOST_LABELS = 400  # names along a side of the picture, which then has 68 inches
PROTOCOL = ("split", "frames", "frame_interval", "size", "shuffle_frames")


def write_report(folder, probabilities, clips, config, step):
    """Writes an evaluation of the test split into a folder, evaluation.json last.

    Args:
        folder: where; created if need be.
        probabilities: `mean` and `readable`, as `scores` takes them.
        clips: its `test_videos`, `test_labels` and `class_names`.
        config: the `Experiment` whose views were evaluated.
        step: updates the evaluated model had seen.

    Returns:
        What evaluation.json holds.

    Raises:
        StorageError: a file could not be written.
    """
    mean, readable = probabilities.mean, probabilities.readable
    names, labels = clips.class_names, clips.test_labels
    matrix = confusion_matrix(mean, readable, labels)
    result = _result(mean, readable, clips, config, step)
    files = {
        "predictions.csv": _predictions(mean, readable, clips),
        "confusion_matrix.csv": _matrix_csv(matrix, names),
        "evaluation.json": json.dumps(result, indent=2, ensure_ascii=False) + "\n",
    }
    _draw(folder / "confusion_matrix.png", matrix, names, result)
    for name, content in files.items():
        write_atomically(folder / name, content)
    return result


def _result(mean, readable, clips, config, step):
    """The content of evaluation.json: scores, and how they were measured."""
    labels, names = clips.test_labels, clips.class_names
    correct = (mean.argmax(axis=1) == labels) & readable
    unreadable = zip(clips.test_videos, readable, strict=True)
    per_class = class_accuracies(correct, labels, len(names))
    return {
        **scores(mean, readable, labels),
        "videos": len(labels),
        "unreadable": [video for video, ok in unreadable if not ok],
        "views": config.views.count,
        "clips": config.views.clips,
        "crops": config.views.crops,
        **{name: getattr(config.data, name) for name in PROTOCOL},
        "step": step,
        "class_accuracies": {
            name: None if np.isnan(value) else float(value)
            for name, value in zip(names, per_class, strict=True)
        },
    }


def summary(result):
    """An evaluation in one line."""
    k = min(TOP, len(result["class_accuracies"]))
    line = (
        f"top-1 {result['top1']:.4f}  top-{k} {result['top5']:.4f}  mean class "
        f"{result['mean_class_accuracy']:.4f}  ({result['videos']} test videos, "
        f"{result['views']} views each)"
    )
    if result["unreadable"]:
        line += f"  {len(result['unreadable'])} unreadable, counted as wrong"
    return line


def as_cell(name):
    """A name as a cell of a CSV file that no spreadsheet takes for a formula.

    A cell that begins with an apostrophe is the name without it; any other cell is the
    name itself.
    """
    return MARK + name if name.startswith((*FORMULA, MARK)) else name


def _predictions(mean, readable, clips):
    names = [as_cell(name) for name in clips.class_names]
    rows = [["video", "label", "prediction", "probability", *names]]
    videos = zip(clips.test_videos, clips.test_labels, readable, mean, strict=True)
    for video, true, ok, row in videos:
        best = row.argmax()
        probabilities = [float(f"{value:.6g}") for value in row]
        prediction = [names[best], probabilities[best]] if ok else ["", ""]
        rows.append([as_cell(video), names[true], *prediction, *probabilities])
    return _csv(rows)


def _matrix_csv(matrix, class_names):
    names = [as_cell(name) for name in class_names]
    counts = zip(names, matrix, strict=True)
    rows = [[name, *row.tolist()] for name, row in counts]
    return _csv([["label", *names, "unreadable"], *rows])


def _csv(rows):
    """Rows as CSV; every text is quoted, so no separator in a name begins a cell."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
    return text.getvalue()


def _draw(path, matrix, class_names, result):
    """Writes the confusion matrix as a picture, or says that it cannot be drawn."""
    try:
        picture = _matrix_png(matrix, [label(name) for name in class_names], result)
    except Exception as error:  # A picture is never worth a result.
        logging.warning(
            "%s cannot be drawn (%s: %s); confusion_matrix.csv has its numbers.",
            path,
            type(error).__name__,
            error,
        )
        remove(path)  # That of an earlier evaluation would belie this one.
    else:
        write_atomically(path, picture)


def _matrix_png(matrix, labels, result):
    classes = len(labels)
    fraction = matrix[:, :classes] / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 3.5 + 0.16 * min(max(classes, 8), MOST_LABELS)
    ticks = range(0, classes, -(-classes // MOST_LABELS))
    with drawn_as_they_are(labels):
        figure = Figure(figsize=(side, side), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(fraction, cmap="Blues", vmin=0, vmax=1)
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
            image, ax=axes, shrink=0.6, label="fraction of the label's videos"
        )
        return png(figure, dpi=120)


def _write_counts(axes, counts, fraction):
    """Writes the number of videos into each cell that has any."""
    for row, column in zip(*np.nonzero(counts), strict=True):
        shade = "white" if fraction[row, column] > 0.5 else "black"
        axes.text(
            column, row, counts[row, column], ha="center", va="center", color=shade
        )
