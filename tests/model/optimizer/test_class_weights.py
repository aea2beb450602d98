"""Weights under which every class counts the same, and clips 1 in the mean."""

import numpy as np
import pytest

from configs.schema import Optimizer
from model import class_weights

BALANCED = Optimizer(class_weights="balanced")


@pytest.mark.parametrize(
    ("counts", "weights"),
    [
        ([4, 4], [1, 1]),
        ([1, 3], [2, 2 / 3]),
        ([2, 3, 5], [10 / 6, 10 / 9, 10 / 15]),
        ([0, 2, 6], [0, 2, 2 / 3]),  # A class without training videos.
    ],
)
def test_balanced_weights_are_those_worked_by_hand(counts, weights):
    found = class_weights(BALANCED, counts)
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx(weights)


def test_all_classes_count_the_same_and_clips_one_in_the_mean():
    counts = np.random.default_rng(0).integers(1, 200, 101)
    weights = class_weights(BALANCED, counts)
    np.testing.assert_allclose(counts * weights, counts.sum() / 101, rtol=1e-6)
    assert np.average(weights, weights=counts) == pytest.approx(1)


def test_without_weights_there_are_none():
    assert class_weights(Optimizer(), [1, 2]) is None
