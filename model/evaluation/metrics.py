"""Accuracies of class probabilities; what is not decided counts as wrong.

A video without a prediction counts as wrong: one that could not be read, one whose
probabilities are not finite, and one whose highest probability several classes share.
So no class gains by its place in the list, as the first one would by `argmax`.
"""

import numpy as np

TOP = 5  # k of the second accuracy, where there are so many classes


def scores(probabilities, readable, labels):
    """Computes accuracies; a video without a prediction counts as wrong.

    Args:
        probabilities: float [videos, classes], averaged over the views.
        readable: bool [videos].
        labels: int [videos].

    Returns:
        Dict of `top1`, `top5` (only where there are at least 5 classes: with fewer it
        would say nothing), `mean_class_accuracy` (over the classes that have videos),
        all in [0, 1], and `loss`, the mean negative log-likelihood of the videos that
        could be read, in nats; None where there is none or it is not finite.
    """
    rank = ranks(probabilities, readable, labels)
    result = {"top1": float((rank < 1).mean())}
    if probabilities.shape[1] >= TOP:
        result["top5"] = float((rank < TOP).mean())
    per_class = class_accuracies(rank < 1, labels, probabilities.shape[1])
    likelihood = probabilities[np.arange(len(labels)), labels][readable]
    loss = -np.log(np.maximum(likelihood, 1e-12))
    finite = readable.any() and np.isfinite(loss).all()
    return result | {
        "mean_class_accuracy": float(np.nanmean(per_class)),
        "loss": float(loss.mean()) if finite else None,
    }


def ranks(probabilities, readable, labels):
    """How many other classes are at least as likely as each video's own.

    Args:
        probabilities: float [videos, classes], averaged over the views.
        readable: bool [videos].
        labels: int [videos].

    Returns:
        int [videos], 0 for a video that is predicted right; the number of classes for
        one that could not be read or whose probabilities are not finite.
    """
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)
    rank = (probabilities >= own).sum(axis=1) - 1
    valid = readable & np.isfinite(probabilities).all(axis=1)
    return np.where(valid, rank, probabilities.shape[1])


def predictions(probabilities, readable):
    """The most likely class of each video.

    Args:
        probabilities: float [videos, classes], averaged over the views.
        readable: bool [videos].

    Returns:
        int [videos], -1 for a video that could not be read, whose probabilities are not
        finite, or whose highest probability several classes share.
    """
    best = probabilities.argmax(axis=1)
    rank = ranks(probabilities, readable, best)
    return np.where(rank == 0, best, -1)


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
        the last column counts videos without one.
    """
    num_classes = probabilities.shape[1]
    matrix = np.zeros([num_classes, num_classes + 1], np.int64)
    # A prediction of -1 is the last column.
    np.add.at(matrix, (labels, predictions(probabilities, readable)), 1)
    return matrix


def confusions(matrix, most):
    """The most frequent confusions of two classes.

    Args:
        matrix: int [classes, classes + 1], as `confusion_matrix` counts.
        most: how many at most.

    Returns:
        List of (label, prediction, videos that were so confused, videos of the label).
        Of as many videos the larger part of its class comes first, then the order of
        the classes.
    """
    wrong = matrix[:, :-1] * ~np.eye(len(matrix), dtype=bool)
    videos = matrix.sum(axis=1)
    rows, columns = np.nonzero(wrong)
    order = np.lexsort((columns, rows, videos[rows], -wrong[rows, columns]))[:most]
    rows, columns = rows[order], columns[order]
    pairs = rows, columns, wrong[rows, columns], videos[rows]
    return np.stack(pairs, axis=1).tolist()
