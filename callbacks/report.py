"""What an evaluation says: scores, evaluation.json, predictions.csv, a matrix."""

import csv
import io
import json

import matplotlib
import numpy as np

from callbacks.folder import write_atomically
from configs.errors import StorageError

matplotlib.use("Agg")
from matplotlib import pyplot

TOP = 5
PROTOCOL = ("split", "frames", "frame_interval", "size", "shuffle_frames")


def scores(mean, readable, labels):
    """Accuracies of mean class probabilities; what could not be read is wrong.

    Args:
      mean: float [videos, classes], probabilities averaged over the views.
      readable: bool [videos].
      labels: int [videos].

    Returns:
      Dict of `top1`, `top5` (k = min(5, classes)), `mean_class_accuracy` (over the
      classes that have videos), all in [0, 1], and `loss`, the mean negative
      log-likelihood of the videos that could be read, in nats.
    """
    ranked = np.argsort(-mean, axis=1, kind="stable")
    hits = (ranked == labels[:, None]) & readable[:, None]
    per_class = class_accuracies(hits[:, 0], labels, mean.shape[1])
    likelihood = mean[np.arange(len(labels)), labels][readable]
    return {
        "top1": float(hits[:, 0].mean()),
        "top5": float(hits[:, : min(TOP, mean.shape[1])].any(axis=1).mean()),
        "mean_class_accuracy": float(np.nanmean(per_class)),
        "loss": float(-np.log(np.maximum(likelihood, 1e-12)).mean())
        if readable.any()
        else float("nan"),
    }


def class_accuracies(correct, labels, classes):
    """Accuracy of each class: bool [videos], int [videos] -> float [classes] or NaN."""
    counts = np.bincount(labels, minlength=classes)
    hits = np.bincount(labels, weights=correct, minlength=classes)
    return np.divide(hits, counts, out=np.full(classes, np.nan), where=counts > 0)


def confusion_matrix(mean, readable, labels):
    """Videos by label (row) and prediction (column); a last column for the unreadable.

    Args: as `scores`.

    Returns:
      int [classes, classes + 1].
    """
    classes = mean.shape[1]
    predictions = np.where(readable, mean.argmax(axis=1), classes)
    matrix = np.zeros([classes, classes + 1], np.int64)
    np.add.at(matrix, (labels, predictions), 1)
    return matrix


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
    labels, names = clips.test_labels, clips.class_names
    matrix = confusion_matrix(mean, readable, labels)
    per_class = class_accuracies(
        (mean.argmax(axis=1) == labels) & readable, labels, len(names)
    )
    result = {
        **scores(mean, readable, labels),
        "videos": len(labels),
        "unreadable": [
            video
            for video, ok in zip(clips.test_videos, readable, strict=True)
            if not ok
        ],
        "views": config.views.clips * config.views.crops,
        "clips": config.views.clips,
        "crops": config.views.crops,
        **{name: getattr(config.data, name) for name in PROTOCOL},
        "step": step,
        "class_accuracies": {
            name: None if np.isnan(value) else float(value)
            for name, value in zip(names, per_class, strict=True)
        },
    }
    files = {
        "predictions.csv": _predictions(mean, readable, clips),
        "confusion_matrix.csv": _matrix_csv(matrix, names),
        "confusion_matrix.png": _matrix_png(matrix, names, result),
        "evaluation.json": json.dumps(result, indent=2, ensure_ascii=False) + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder} must be writable: {error}.") from error
    for name, content in files.items():
        write_atomically(folder / name, content)
    return result


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
    share = matrix[:, :classes] / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 3.5 + 0.16 * max(classes, 8)
    figure, axes = pyplot.subplots(figsize=(side, side), layout="constrained")
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
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
            shade = "white" if share[row, column] > 0.5 else "black"
            axes.text(
                column, row, matrix[row, column], ha="center", va="center", color=shade
            )
    figure.colorbar(image, ax=axes, shrink=0.6, label="share of the label's videos")
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=120)
    pyplot.close(figure)
    return png.getvalue()
