"""The files of a report agree with each other."""

import csv
import json
import types

import numpy as np

from configs.demo import config
from model.evaluation.report import summary, write_report

NAMES = ("left", "right", "up")
LABELS = np.array([0, 1, 2, 1])
MEAN = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.0, 0.0, 0.0]])
READABLE = np.array([True, True, True, False])


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
