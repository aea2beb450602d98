"""Writes an evaluation: evaluation.json, predictions.csv, the confusion matrix.

The names say what was measured: a run's own evaluation has the plain names, one with
other views, data or weights has what differs in its names, as in evaluation-1x1.json.
"""

import csv
import importlib.metadata
import io
import json

import matplotlib
import numpy as np

from configs.schema import Protocol
from model.evaluation.metrics import (
    TOP,
    class_accuracies,
    confusion_matrix,
    predictions,
    ranks,
    scores,
)
from storage.files import write_atomically

matplotlib.use("Agg")
from matplotlib import pyplot

# What decodes and computes: another version may give another number.
LIBRARIES = ("tensorflow", "opencv-python-headless", "av")
# What names of files say of options that differ, where not option and value.
WORDS = {
    ("shuffle_frames", True): "shuffled",
    ("shuffle_frames", False): "ordered",
    ("precision", "float32"): "float32",
    ("precision", "mixed_bfloat16"): "bfloat16",
    ("precision", "mixed_float16"): "float16",
}


def write_report(folder, probabilities, clips, config, step, *, facts=None, suffix=""):
    """Writes an evaluation of the test split into a folder, evaluation.json last.

    Args:
        folder: where; created if need be.
        probabilities: `mean` and `readable`, as `scores` takes them.
        clips: its `test_videos`, `test_labels` and `class_names`.
        config: the `Experiment` whose views were evaluated.
        step: updates the evaluated model had seen.
        facts: what else the result is to say: name -> JSON value.
        suffix: of the files' names; see `suffix_of`.

    Returns:
        What evaluation.json holds.

    Raises:
        StorageError: a file could not be written.
    """
    mean, readable = probabilities.mean, probabilities.readable
    names, labels = clips.class_names, clips.test_labels
    matrix = confusion_matrix(mean, readable, labels)
    result = _result(mean, readable, clips, config, step) | (facts or {})
    files = {
        "predictions.csv": _predictions(mean, readable, clips),
        "confusion_matrix.csv": _matrix_csv(matrix, names),
        "confusion_matrix.png": _matrix_png(matrix, names, result),
        "evaluation.json": json.dumps(result, indent=2, ensure_ascii=False) + "\n",
    }
    for name, content in files.items():
        stem, _, ending = name.partition(".")
        write_atomically(folder / f"{stem}{suffix}.{ending}", content)
    return result


def suffix_of(own, config, *, step=None, videos=None):
    """What an evaluation differs in from a run's own one, for names of files.

    Args:
        own: the `Experiment` of the run.
        config: the `Experiment` that is evaluated.
        step: of the checkpoint, where it is not the newest.
        videos: the fingerprint of the test videos, where they are not the run's.

    Returns:
        "" or, for instance, "-step7-split2-1x1".
    """
    parts = [] if step is None else [f"step{step}"]
    if config.data.source != own.data.source:
        parts.append(config.data.source)
    if config.data.split != own.data.split:
        parts.append(f"split{config.data.split}")
    if videos is not None:
        parts.append(f"videos{videos[:8]}")
    differences = Protocol.of(own).differences(Protocol.of(config))
    if differences.keys() & {"clips", "crops"}:
        parts.append(f"{config.views.clips}x{config.views.crops}")
    for name, (_, value) in differences.items():
        if name not in ("clips", "crops"):
            parts.append(WORDS.get((name, value), f"{name}{value}"))
    return "".join(f"-{part}" for part in parts)


def _result(mean, readable, clips, config, step):
    """The content of evaluation.json: scores, and how they were measured."""
    labels, names = clips.test_labels, clips.class_names
    correct = ranks(mean, readable, labels) == 0
    undecided = readable & (predictions(mean, readable) < 0)
    unreadable = zip(clips.test_videos, readable, strict=True)
    per_class = class_accuracies(correct, labels, len(names))
    return {
        **scores(mean, readable, labels),
        "videos": len(labels),
        "unreadable": [video for video, ok in unreadable if not ok],
        "undecided": int(undecided.sum()),
        "classes": len(names),
        "source": config.data.source,
        "root": config.data.root,
        "split": config.data.split,
        "views": config.views.count,
        **Protocol.of(config).known,
        "step": step,
        "versions": {name: _version(name) for name in LIBRARIES},
        "class_accuracies": {
            name: None if np.isnan(value) else float(value)
            for name, value in zip(names, per_class, strict=True)
        },
    }


def _version(library):
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def summary(result):
    """An evaluation in one line."""
    line = f"top-1 {result['top1']:.4f}"
    # A run of an earlier version called top5 what was the top k of fewer classes.
    if "top5" in result and len(result["class_accuracies"]) >= TOP:
        line += f"  top-5 {result['top5']:.4f}"
    line += (
        f"  mean class {result['mean_class_accuracy']:.4f}  ({result['videos']} test "
        f"videos, {result['views']} views each)"
    )
    if result["unreadable"]:
        line += f"  {len(result['unreadable'])} unreadable, counted as wrong"
    if result.get("undecided"):
        line += f"  {result['undecided']} without a single most likely class, counted "
        line += "as wrong"
    seen = sum((result.get("trained_videos") or {}).values())
    if seen:
        line += f"  {seen} OF THEM TRAINED ON"
    return line


def _predictions(mean, readable, clips):
    names = clips.class_names
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["video", "label", "prediction", "probability", *names])
    likely = predictions(mean, readable)
    videos = zip(clips.test_videos, clips.test_labels, likely, mean, strict=True)
    for video, label, best, row in videos:
        prediction = [names[best], f"{row[best]:.6g}"] if best >= 0 else ["", ""]
        probabilities = [f"{value:.6g}" for value in row]
        writer.writerow([video, names[label], *prediction, *probabilities])
    return text.getvalue()


def _matrix_csv(matrix, class_names):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["label", *class_names, "no prediction"])
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
