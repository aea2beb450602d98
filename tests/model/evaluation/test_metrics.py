"""Scores against counting by hand."""

import numpy as np
import pytest

from model.evaluation.metrics import confusion_matrix, scores

LABELS = np.array([0, 1, 2, 1])
MEAN = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.0, 0.0, 0.0]])
READABLE = np.array([True, True, True, False])


def test_what_cannot_be_read_is_wrong():
    result = scores(MEAN, READABLE, LABELS)
    assert result["top1"] == 2 / 4
    assert result["mean_class_accuracy"] == pytest.approx((1 + 0 + 1) / 3)
    assert result["loss"] == pytest.approx(-np.log([0.8, 0.3, 0.7]).mean())


def test_an_unreadable_video_of_the_first_class_is_wrong_too():
    result = scores(np.zeros([1, 3]), np.array([False]), np.array([0]))
    assert (result["top1"], result["top5"]) == (0, 0)


def test_top5_of_fewer_classes_takes_them_all():
    assert scores(MEAN[:3], READABLE[:3], LABELS[:3])["top5"] == 1


def test_top5_counts_the_five_most_likely():
    mean = np.tile(np.arange(7.0), [7, 1])
    result = scores(mean, np.ones(7, bool), np.arange(7))
    assert result["top5"] == 5 / 7


def test_every_video_is_in_the_confusion_matrix_once():
    matrix = confusion_matrix(MEAN, READABLE, LABELS)
    assert matrix.tolist() == [[1, 0, 0, 0], [1, 0, 0, 1], [0, 0, 1, 0]]
