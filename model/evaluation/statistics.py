"""How sure a measured accuracy is, and whether a model's confidence can be believed."""

import math
from statistics import NormalDist

import numpy as np

from model.evaluation.metrics import predictions

CONFIDENCE = 0.95  # of every interval
BINS = 15  # as in the experiments of Guo et al. 2017


def wilson_interval(correct, videos):
    """The Wilson score interval of an accuracy, at 95 % confidence.

    It holds the accuracies p from which the measured k / n is less than z = 1.96 of
    their standard deviations sqrt(p (1 - p) / n) away: with p' = k / n,

        (p' + z² / 2n ± z sqrt(p' (1 - p') / n + z² / 4n²)) / (1 + z² / n).

    It lies in [0, 1] and is right for few videos and for accuracies near 1 as well
    (E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical
    Inference", Journal of the American Statistical Association 22, 1927).

    Args:
        correct: int, how many videos were predicted right.
        videos: int above 0, of how many.

    Returns:
        (low, high).
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    wrong = videos - correct
    middle = correct + z**2 / 2
    half = z * math.sqrt(correct * wrong / videos + z**2 / 4)
    low = (middle - half) / (videos + z**2) if correct else 0.0  # Not by rounding.
    high = (middle + half) / (videos + z**2) if wrong else 1.0
    return low, high


def calibration(probabilities, readable, labels):
    """Compares the confidence of predictions with how often they are right.

    The confidence is the highest of a video's mean probabilities. Bin m of M = 15 has
    the videos whose confidence is in ((m - 1) / M, m / M], and the expected calibration
    error is the mean of |accuracy - confidence| over the bins, weighted by their videos
    (Guo et al., "On Calibration of Modern Neural Networks", 2017, section 2).

    A video that could not be read, or whose probabilities are not finite, has no
    confidence and is in no bin. One whose highest probability several classes share has
    a confidence, and counts as wrong like everywhere.

    Args:
        probabilities: float [videos, classes], averaged over the views.
        readable: bool [videos].
        labels: int [videos].

    Returns:
        Dict of `expected_calibration_error`, None where no video has a confidence, and
        `calibration_bins`, a dict of `videos`, `confidence` and `accuracy` (their
        means, None in an empty bin) for each bin.
    """
    valid = readable & np.isfinite(probabilities).all(axis=1)
    correct = (predictions(probabilities, readable) == labels)[valid]
    confidence = probabilities[valid].max(axis=1)
    edges = np.arange(1, BINS) / BINS
    # Of a video on an edge the bin below; rounding may exceed 1.
    number = np.searchsorted(edges, confidence, side="left")
    counts, sums, hits = (
        np.bincount(number, weights=weights, minlength=BINS)
        for weights in (None, confidence, correct)
    )
    gap = np.abs(hits - sums).sum() / len(confidence) if len(confidence) else None
    return {
        "expected_calibration_error": None if gap is None else float(gap),
        "calibration_bins": [
            {
                "videos": int(count),
                "confidence": float(total / count) if count else None,
                "accuracy": float(right / count) if count else None,
            }
            for count, total, right in zip(counts, sums, hits, strict=True)
        ],
    }


def mcnemar(only_first, only_second):
    """The two-sided p-value of McNemar's exact test of two classifiers.

    Videos that both predict right, or both wrong, do not tell them apart. If they are
    equally good, each of the n others is as likely to be right by one as by the other.
    With k the smaller of the two counts, a share as uneven or more so then has the
    probability

        p = 2 (C(n, 0) + … + C(n, k)) / 2^n, at most 1

    (Q. McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", Psychometrika 12, 1947; exact by the binomial
    distribution, for any n).

    Args:
        only_first: int, videos that only the first predicts right.
        only_second: int, videos that only the second does.
    """
    n, least = only_first + only_second, min(only_first, only_second)
    term = tail = 1  # C(n, 0), and the sum of the terms: integers, which do not round.
    for k in range(least):
        term = term * (n - k) // (k + 1)
        tail += term
    return min(1.0, 2 * tail / 2**n)
