"""Accuracies of class probabilities; what could not be read counts as wrong."""

import numpy as np

TOP = 5  # k of the second accuracy, where there are so many classes


def scores(mean, readable, labels):
    """Computes accuracies; a video that could not be read counts as wrong.

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
    """Counts videos by label and prediction.

    Args: as `scores`.

    Returns:
        int [classes, classes + 1]
    """
    classes = mean.shape[1]
    predictions = np.where(readable, mean.argmax(axis=1), classes)
    matrix = np.zeros([classes, classes + 1], np.int64)
    np.add.at(matrix, (labels, predictions), 1)
    return matrix
