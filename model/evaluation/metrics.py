"""Accuracies of class probabilities; what could not be read counts as wrong."""

import numpy as np

TOP = 5  # k of the second accuracy, where there are so many classes


def scores(probabilities, readable, labels):
    """Computes accuracies; a video that could not be read counts as wrong.

    Args:
        probabilities: float [videos, classes], averaged over the views.
        readable: bool [videos].
        labels: int [videos].

    Returns:
        Dict of `top1`, `top5` (k = min(5, classes)), `mean_class_accuracy` (over the
        classes that have videos), all in [0, 1], and `loss`, the mean negative
        log-likelihood of the videos that could be read, in nats.
    """
    ranked = np.argsort(-probabilities, axis=1, kind="stable")
    hits = (ranked == labels[:, None]) & readable[:, None]
    per_class = class_accuracies(hits[:, 0], labels, probabilities.shape[1])
    likelihood = probabilities[np.arange(len(labels)), labels][readable]
    return {
        "top1": float(hits[:, 0].mean()),
        "top5": float(hits[:, : min(TOP, probabilities.shape[1])].any(axis=1).mean()),
        "mean_class_accuracy": float(np.nanmean(per_class)),
        "loss": float(-np.log(np.maximum(likelihood, 1e-12)).mean())
        if readable.any()
        else float("nan"),
    }


def class_accuracies(correct, labels, num_classes):
    """Accuracy of each class: bool [videos], int [videos] -> float [classes] or NaN."""
    counts = np.bincount(labels, minlength=num_classes)
    hits = np.bincount(labels, weights=correct, minlength=num_classes)
    return np.divide(hits, counts, out=np.full(num_classes, np.nan), where=counts > 0)


def confusion_matrix(probabilities, readable, labels):
    """Counts videos by label and prediction.

    Args:
        probabilities: float [videos, classes], averaged over the views.
        readable: bool [videos].
        labels: int [videos].

    Returns:
        int [classes, classes + 1]: a row for each label, a column for each prediction;
        the last column counts videos that could not be read.
    """
    num_classes = probabilities.shape[1]
    predictions = np.where(readable, probabilities.argmax(axis=1), num_classes)
    matrix = np.zeros([num_classes, num_classes + 1], np.int64)
    np.add.at(matrix, (labels, predictions), 1)
    return matrix
