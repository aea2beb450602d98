"""Scores against counting by hand; files that agree with each other."""

import csv
import json
import types

import numpy as np
import pytest

from callbacks.report import confusion_matrix, scores, summary, write_report
from configs.demo import config

NAMES = ("left", "right", "up")
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


def test_the_files_agree(tmp_path):
    clips = types.SimpleNamespace(
        test_videos=("a.avi", "b, c.avi", "d.avi", "e.avi"),
        test_labels=LABELS,
        class_names=NAMES,
    )
    probabilities = types.SimpleNamespace(mean=MEAN, readable=READABLE)
    result = write_report(tmp_path / "new", probabilities, clips, config(), step=7)
    folder = tmp_path / "new"
    assert json.loads((folder / "evaluation.json").read_text()) == result
    assert (result["videos"], result["views"], result["step"]) == (4, 2, 7)
    assert result["unreadable"] == ["e.avi"]
    assert result["class_accuracies"] == {"left": 1, "right": 0, "up": 1}
    with open(folder / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:2] == ["video", "label"]
    assert [row["video"] for row in rows] == list(clips.test_videos)
    right = [row["label"] == row["prediction"] for row in rows]
    assert np.mean(right) == result["top1"]
    assert (folder / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")
    assert "top-1 0.5000" in summary(result)
    assert "1 unreadable, counted as wrong" in summary(result)
