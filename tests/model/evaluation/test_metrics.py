"""Scores against counting by hand."""

import json

import numpy as np
import pytest
import tensorflow as tf

from model.evaluation.metrics import (
    confusion_matrix,
    confusions,
    predictions,
    scores,
)

LABELS = np.array([0, 1, 2, 1])
MEAN = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.0, 0.0, 0.0]])
READABLE = np.array([True, True, True, False])


def test_what_cannot_be_read_is_wrong():
    result = scores(MEAN, READABLE, LABELS)
    assert result["top1"] == 2 / 4
    assert result["mean_class_accuracy"] == pytest.approx((1 + 0 + 1) / 3)
    assert result["loss"] == pytest.approx(-np.log([0.8, 0.3, 0.7]).mean())


def test_an_unreadable_video_of_the_first_class_is_wrong_too():
    result = scores(np.zeros([1, 6]), np.array([False]), np.array([0]))
    assert (result["top1"], result["top5"]) == (0, 0)
    assert result["loss"] is None


@pytest.mark.parametrize("classes", [2, 4])
def test_there_is_no_top5_of_fewer_classes(classes):
    mean = np.eye(classes)
    result = scores(mean, np.ones(classes, bool), np.arange(classes))
    assert "top5" not in result and result["top1"] == 1


@pytest.mark.parametrize("classes", [2, 5, 101])
@pytest.mark.parametrize("value", [0.0, 0.5, np.nan, np.inf])
def test_a_model_that_does_not_decide_is_never_right(classes, value):
    """By `argmax` every video of the first class would be right."""
    mean = np.full([classes, classes], value)
    labels, readable = np.arange(classes), np.ones(classes, bool)
    result = scores(mean, readable, labels)
    assert (result["top1"], result["mean_class_accuracy"]) == (0, 0)
    assert result.get("top5", 0) == (1 if classes == 5 and np.isfinite(value) else 0)
    assert predictions(mean, readable).tolist() == [-1] * classes
    matrix = confusion_matrix(mean, readable, labels)
    assert matrix[:, -1].tolist() == [1] * classes and matrix.sum() == classes
    json.dumps(result, allow_nan=False)


def test_accuracies_do_not_depend_on_the_order_of_the_classes():
    """Of coarse probabilities, of which many are equal."""
    generator = np.random.default_rng(0)
    mean = generator.integers(0, 4, [300, 7]) / 4
    labels, readable = generator.integers(0, 7, 300), generator.random(300) < 0.9
    expected = scores(mean, readable, labels)
    assert np.any(predictions(mean, readable)[readable] < 0)
    for order in (np.arange(7)[::-1], generator.permutation(7)):
        result = scores(mean[:, order], readable, np.argsort(order)[labels])
        assert result == pytest.approx(expected)


def test_without_ties_the_accuracies_are_the_usual_ones():
    """By tf.math.in_top_k."""
    generator = np.random.default_rng(1)
    mean, labels = generator.random([200, 9]), generator.integers(0, 9, 200)
    result = scores(mean, np.ones(200, bool), labels)
    for name, k in (("top1", 1), ("top5", 5)):
        usual = tf.math.in_top_k(labels, mean.astype(np.float32), k)
        assert result[name] == np.mean(usual)


def test_top5_counts_the_five_most_likely():
    mean = np.tile(np.arange(7.0), [7, 1])
    result = scores(mean, np.ones(7, bool), np.arange(7))
    assert result["top5"] == 5 / 7


def test_every_video_is_in_the_confusion_matrix_once():
    matrix = confusion_matrix(MEAN, READABLE, LABELS)
    assert matrix.tolist() == [[1, 0, 0, 0], [1, 0, 0, 1], [0, 0, 1, 0]]


def test_confusions_are_ranked_by_their_number_then_by_the_size_of_the_class():
    matrix = np.array([[8, 2, 0, 0], [0, 0, 3, 1], [2, 0, 0, 9]])
    ranked = [[1, 2, 3, 4], [0, 1, 2, 10], [2, 0, 2, 11]]
    assert confusions(matrix, 5) == ranked
    assert confusions(matrix, 2) == ranked[:2]
    assert confusions(np.eye(3, 4, dtype=int), 5) == []
