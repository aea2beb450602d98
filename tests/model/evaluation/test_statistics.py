"""Intervals and calibration against published numbers and other computations."""

import numpy as np
import pytest

from model.evaluation.statistics import calibration, mcnemar, wilson_interval

# R's binom.confint(method = "wilson"), as statsmodels tests its own with; then Table I
# of R. G. Newcombe, "Two-sided confidence intervals for the single proportion",
# Statistics in Medicine 17, 1998, method 3.
PUBLISHED = {
    (18, 20): (0.6989663547715128, 0.972133518786232),
    (4, 20): (0.0806576625797981, 0.4160174322518935),
    (4, 200): (0.00780442641634947, 0.05028708690582643),
    (190, 200): (0.910421851861224, 0.972617354399236),
    (1, 30): (0.005908590, 0.16670391),
    (29, 30): (0.8332961, 0.9940914),
    (0, 30): (0.0, 0.11351339),
    (30, 30): (0.8864866, 1.0),
    (81, 263): (0.2553, 0.3662),
    (15, 148): (0.0624, 0.1605),
    (0, 20): (0.0, 0.1611),
    (1, 29): (0.0061, 0.1718),
}


@pytest.mark.parametrize(("case", "expected"), PUBLISHED.items())
def test_intervals_are_the_published_ones(case, expected):
    digits = 4 if len(str(expected[1])) <= 6 else 7
    assert wilson_interval(*case) == pytest.approx(expected, abs=0.6 * 10**-digits)


def test_an_interval_by_hand():
    """One of two: z² is 3.8415, so (2.9207 -+ 1.96 sqrt(0.5 + 0.9604)) / 5.8415."""
    assert wilson_interval(1, 2) == pytest.approx((0.0945, 0.9055), abs=1e-4)


@pytest.mark.parametrize("videos", [1, 7, 80, 3783])
def test_the_ends_are_where_the_measured_accuracy_is_z_deviations_away(videos):
    """The definition: the roots of (p' - p)² = z² p (1 - p) / n."""
    z2 = 1.959963984540054**2 / videos
    for correct in sorted({0, 1, videos // 3, videos - 1, videos}):
        share = correct / videos
        roots = np.roots([1 + z2, -2 * share - z2, share**2])
        low, high = wilson_interval(correct, videos)
        assert [low, high] == pytest.approx(sorted(roots.real), abs=1e-9)
        assert 0 <= low <= share <= high <= 1
        assert wilson_interval(videos - correct, videos) == pytest.approx(
            (1 - high, 1 - low), abs=1e-12
        )


def test_a_video_is_in_the_bin_of_its_confidence():
    mean = np.array([[0.62, 0.38], [0.65, 0.35], [0.3, 0.7], [1.0, 0.0]])
    result = calibration(mean, np.ones(4, bool), np.array([0, 1, 1, 0]))
    bins = result["calibration_bins"]
    assert len(bins) == 15
    assert {i: one["videos"] for i, one in enumerate(bins) if one["videos"]} == {
        9: 2,  # (9 / 15, 10 / 15]
        10: 1,
        14: 1,
    }
    assert bins[9] == {"videos": 2, "confidence": pytest.approx(0.635), "accuracy": 0.5}
    assert bins[0] == {"videos": 0, "confidence": None, "accuracy": None}
    error = (2 * (0.635 - 0.5) + 0.3 + 0.0) / 4
    assert result["expected_calibration_error"] == pytest.approx(error)


def test_a_confidence_between_two_bins_is_in_the_lower_one():
    mean = np.array([[0.8, 0.2], [np.nextafter(0.8, 1), 0.2], [1 + 1e-7, 0.0]])
    bins = calibration(mean, np.ones(3, bool), np.zeros(3, int))["calibration_bins"]
    assert [i for i, one in enumerate(bins) if one["videos"]] == [11, 12, 14]


def test_what_has_no_confidence_is_in_no_bin_and_what_is_undecided_is_wrong():
    mean = np.array([[0.9, 0.1], [0.0, 0.0], [np.nan, 0.5], [0.5, 0.5]])
    readable = np.array([True, False, True, True])
    result = calibration(mean, readable, np.zeros(4, int))
    bins = result["calibration_bins"]
    assert sum(one["videos"] for one in bins) == 2
    assert bins[7] == {"videos": 1, "confidence": 0.5, "accuracy": 0.0}
    assert result["expected_calibration_error"] == pytest.approx((0.1 + 0.5) / 2)
    nothing = calibration(mean[1:2], readable[1:2], np.zeros(1, int))
    assert nothing["expected_calibration_error"] is None


def test_a_calibrated_model_has_no_error_and_a_sure_one_that_of_its_accuracy():
    """Of 1000 videos at confidence 0.7, 700 are right."""
    labels = np.repeat([0, 1], [700, 300])
    mean = np.tile([0.7, 0.3], [1000, 1])
    every = np.ones(1000, bool)
    error = calibration(mean, every, labels)["expected_calibration_error"]
    assert error == pytest.approx(0, abs=1e-12)
    sure = np.tile([1.0, 0.0], [1000, 1])
    error = calibration(sure, every, labels)["expected_calibration_error"]
    assert error == pytest.approx(0.3)


def test_the_error_is_the_sum_over_bins_of_the_paper():
    """Written out bin by bin, on random probabilities."""
    generator = np.random.default_rng(0)
    mean = generator.dirichlet(np.full(6, 0.3), 500)
    labels = generator.integers(0, 6, 500)
    confidence, right = mean.max(axis=1), mean.argmax(axis=1) == labels
    error = 0.0
    for m in range(1, 16):
        inside = (confidence > (m - 1) / 15) & (confidence <= m / 15)
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            error += inside.sum() / 500 * gap
    result = calibration(mean, np.ones(500, bool), labels)
    assert result["expected_calibration_error"] == pytest.approx(error)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((0, 0), 1.0),
        ((1, 0), 1.0),
        ((0, 5), 2 / 32),
        ((1, 6), 2 * (1 + 7) / 2**7),
        ((3, 4), 1.0),
        ((2, 10), 2 * (1 + 12 + 66) / 2**12),
    ],
)
def test_mcnemar_by_hand(counts, expected):
    assert mcnemar(*counts) == pytest.approx(expected, rel=1e-15)
    assert mcnemar(*counts[::-1]) == mcnemar(*counts)


def test_mcnemar_of_many_videos_nears_the_chi_square_test():
    """With Edwards's correction R has 0.3786151 for 59 and 70, 0.08981434 for 80."""
    assert mcnemar(59, 70) == pytest.approx(0.3786151, abs=2e-3)
    assert mcnemar(59, 80) == pytest.approx(0.08981434, abs=2e-3)
    assert mcnemar(59, 121) == pytest.approx(5.45e-6, rel=0.3)
    assert mcnemar(5000, 6000) < 1e-20


def test_mcnemar_is_the_chance_of_as_uneven_a_share():
    """By counting: of the 2^9 ways to share 9 videos, those at least as uneven."""
    ways = np.array([bin(way).count("1") for way in range(2**9)])
    for k in range(5):
        uneven = np.mean((ways <= k) | (ways >= 9 - k))
        assert mcnemar(k, 9 - k) == pytest.approx(uneven, rel=1e-15)
