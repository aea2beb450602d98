"""Writes an evaluation: evaluation.json, predictions.csv, confusions, report.html.

How long it took stands in evaluation_timing.json alone, and when and where it was
written in report.html: the other files are the same, byte for byte, when the same is
measured again.

The names say what was measured: a run's own evaluation has the plain names, one with
other views, data or weights has what differs in its names, as in evaluation-1x1.json.
"""

import importlib.metadata
import json
import math

import numpy as np
from absl import logging

from configs.command.text import counted
from configs.schema import Protocol
from configs.schema.protocol import unusual
from model.evaluation.metrics import (
    TOP,
    class_accuracies,
    confusion_matrix,
    predictions,
    ranks,
    scores,
)
from model.evaluation.statistics import calibration, wilson_interval
from model.evaluation.tables import as_cell, csv_text
from storage.files import write_atomically, write_together

# What decodes and computes: another version may give another number.
LIBRARIES = ("tensorflow", "opencv-python-headless", "av")
# Accuracies that are fractions of the videos, and what their intervals are called.
INTERVALS = {"top1": "top1_interval", "top5": "top5_interval"}
# What names of files say of options that differ, where not option and value.
WORDS = {
    ("frame_sampling", "segments"): "segments",
    ("frame_sampling", "interval"): "interval",
    ("view_sampling", "official"): "official",
    ("view_sampling", "mmaction2"): "mmaction2",
    ("view_sampling", "torchvision"): "torchvision",
    ("shuffle_frames", True): "shuffled",
    ("shuffle_frames", False): "ordered",
    ("precision", "float32"): "float32",
    ("precision", "mixed_bfloat16"): "bfloat16",
    ("precision", "mixed_float16"): "float16",
}


def write_report(folder, probabilities, clips, config, step, *, facts=None, suffix=""):
    """Writes an evaluation of the test split into a folder, evaluation.json last.

    The picture of the confusion matrix and the page come after it: whatever happens to
    them, the numbers are there.

    Args:
        folder: where; created if need be.
        probabilities: the `Probabilities` that `Evaluator` returns.
        clips: its `test_videos`, `test_labels` and `class_names`, and for the page
            `test_paths` and `centre_view`.
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
    result = _result(probabilities, clips, config, step) | (facts or {})
    files = {
        "confusion_matrix.png": None,  # That of an earlier evaluation would belie this.
        "report.html": None,
        "predictions.csv": _predictions(mean, readable, clips),
        "confusion_matrix.csv": _matrix_csv(matrix, names),
        "evaluation_timing.json": _json(_timing(result, probabilities.seconds)),
        "evaluation.json": _json(result),
    }
    named = {name.replace(".", f"{suffix}."): files[name] for name in files}
    write_together(folder, named)
    _draw(folder / f"confusion_matrix{suffix}.png", matrix, names, result)
    page = folder / f"report{suffix}.html"
    _write_page(page, result, matrix, probabilities, clips, config)
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


def _result(probabilities, clips, config, step):
    """The content of evaluation.json: scores, and how they were measured."""
    mean, readable = probabilities.mean, probabilities.readable
    labels, names = clips.test_labels, clips.class_names
    correct = ranks(mean, readable, labels) == 0
    undecided = readable & (predictions(mean, readable) < 0)
    unreadable = zip(clips.test_videos, readable, strict=True)
    per_class = class_accuracies(correct, labels, len(names))
    counts = np.bincount(labels, minlength=len(names)).tolist()
    calibrated = calibration(mean, readable, labels)
    return {
        **_with_intervals(scores(mean, readable, labels), len(labels)),
        **_of_fewer_views(probabilities, labels, config.views),
        "expected_calibration_error": calibrated["expected_calibration_error"],
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
        "class_counts": dict(zip(names, counts, strict=True)),
        "calibration_bins": calibrated["calibration_bins"],
    }


def _with_intervals(accuracies, videos):
    """The accuracies, each that is a fraction of the videos with its interval."""
    result = {}
    for name, value in accuracies.items():
        result[name] = value
        if name in INTERVALS:
            result[INTERVALS[name]] = list(_interval(value, videos))
    return result


def _interval(accuracy, videos):
    return wilson_interval(round(accuracy * videos), videos)


def _of_fewer_views(probabilities, labels, views):
    """What top-1 would be of less than all views; nothing where there is only one."""
    if views.count == 1:
        return {}
    fewer = {
        "single_clip_top1": probabilities.single_clip,
        "single_view_top1": probabilities.single_view,
    }
    return {
        name: scores(values, probabilities.readable, labels)["top1"]
        for name, values in fewer.items()
    }


def _timing(result, seconds):
    """The content of evaluation_timing.json."""
    views = result["videos"] * result["views"]
    return {"seconds": seconds, "views_per_second": views / seconds}


def _json(content):
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _version(library):
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def summary(result):
    """An evaluation in one line."""
    line = f"top-1 {result['top1']:.4f} (95 % {_shown_interval(result)})"
    # A run of an earlier version called top5 what was the top k of fewer classes.
    if "top5" in result and len(result["class_accuracies"]) >= TOP:
        line += f"  top-5 {result['top5']:.4f}"
    views = ", ".join([f"{counted(result['views'], 'view')} each", *unusual(result)])
    videos = counted(result["videos"], "test video")
    line += f"  mean class {result['mean_class_accuracy']:.4f}  ({videos}, {views})"
    if result["unreadable"]:
        line += f"  {len(result['unreadable'])} unreadable, counted as wrong"
    if result.get("undecided"):
        line += f"  {result['undecided']} without a single most likely class, counted "
        line += "as wrong"
    seen = sum((result.get("trained_videos") or {}).values())
    if seen:
        line += f"  {seen} OF THEM TRAINED ON"
    return line


def _shown_interval(result):
    """The interval of top-1, in two digits or as many as tell its ends apart."""
    low, high = _interval(result["top1"], result["videos"])
    digits = min(max(2, 1 - math.floor(math.log10(high - low))), 4)
    return f"{low:.{digits}f}-{high:.{digits}f}"


def _predictions(mean, readable, clips):
    names = [as_cell(name) for name in clips.class_names]
    rows = [["video", "label", "prediction", "probability", *names]]
    likely = predictions(mean, readable)
    videos = zip(clips.test_videos, clips.test_labels, likely, mean, strict=True)
    for video, true, best, row in videos:
        probabilities = [float(f"{value:.6g}") for value in row]
        prediction = [names[best], probabilities[best]] if best >= 0 else ["", ""]
        rows.append([as_cell(video), names[true], *prediction, *probabilities])
    return csv_text(rows)


def _matrix_csv(matrix, class_names):
    names = [as_cell(name) for name in class_names]
    counts = zip(names, matrix, strict=True)
    rows = [[name, *row.tolist()] for name, row in counts]
    return csv_text([["label", *names, "no prediction"], *rows])


def _draw(path, matrix, class_names, result):
    """Writes the confusion matrix as a picture."""

    def draw():
        # Only here: matplotlib takes longer to import than most programs to fail.
        from model.evaluation.picture import matrix_png

        return matrix_png(matrix, class_names, result)

    _write_extra(path, draw, "confusion_matrix.csv")


def _write_page(path, *contents):
    """Writes the page that people open first."""

    def make():
        from model.evaluation.page import evaluation_page  # As for the picture.

        return evaluation_page(path, *contents)

    _write_extra(path, make, "evaluation.json")


def _write_extra(path, make, numbers):
    """Writes what shows numbers to people; a warning says where that fails.

    Args:
        path: of its file.
        make: a function that returns the content.
        numbers: what has them in any case.
    """
    try:
        write_atomically(path, make())
    except Exception as error:  # It is never worth a result.
        logging.warning(
            "%s cannot be made (%s: %s); %s has its numbers.",
            path,
            type(error).__name__,
            error,
            numbers,
        )
