"""Writes an evaluation: evaluation.json, predictions.csv, the confusion matrix."""

import csv
import io
import json

import matplotlib
import numpy as np

from model.evaluation.metrics import TOP, class_accuracies, confusion_matrix, scores
from storage.files import write_together

matplotlib.use("Agg")
from matplotlib import pyplot

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
        "confusion_matrix.png": _matrix_png(matrix, names, result),
        "evaluation.json": json.dumps(result, indent=2, ensure_ascii=False) + "\n",
    }
    write_together(folder, files)
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


def _predictions(mean, readable, clips):
    names = clips.class_names
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["video", "label", "prediction", "probability", *names])
    videos = zip(clips.test_videos, clips.test_labels, readable, mean, strict=True)
    for video, label, ok, row in videos:
        best = row.argmax()
        prediction = [names[best], f"{row[best]:.6g}"] if ok else ["", ""]
        probabilities = [f"{value:.6g}" for value in row]
        writer.writerow([video, names[label], *prediction, *probabilities])
    return text.getvalue()


def _matrix_csv(matrix, class_names):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["label", *class_names, "unreadable"])
    for name, row in zip(class_names, matrix, strict=True):
        writer.writerow([name, *row.tolist()])
    return text.getvalue()


def _matrix_png(matrix, class_names, result):
    classes = len(class_names)
    fraction = matrix[:, :classes] / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 3.5 + 0.16 * max(classes, 8)
    figure, axes = pyplot.subplots(figsize=(side, side), layout="constrained")
    image = axes.imshow(fraction, cmap="Blues", vmin=0, vmax=1)
    size = 9 if classes <= 30 else 5
    axes.set_xticks(range(classes), class_names, rotation=90, fontsize=size)
    axes.set_yticks(range(classes), class_names, fontsize=size)
    axes.set_xlabel("prediction")
    axes.set_ylabel("label")
    axes.set_title(
        f"top-1 {result['top1']:.3f}, {result['videos']} videos", fontsize=10
    )
    if classes <= 30:
        for row, column in zip(*np.nonzero(matrix[:, :classes]), strict=True):
            shade = "white" if fraction[row, column] > 0.5 else "black"
            axes.text(
                column, row, matrix[row, column], ha="center", va="center", color=shade
            )
    figure.colorbar(image, ax=axes, shrink=0.6, label="fraction of the label's videos")
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=120)
    pyplot.close(figure)
    return png.getvalue()
