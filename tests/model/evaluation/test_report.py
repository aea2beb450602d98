"""The files of a report agree with each other."""

import csv
import dataclasses
import json
import types

import numpy as np
import pytest

from configs.demo import config
from model.evaluation.report import suffix_of, summary, write_report

NAMES = ("left", "right", "up")
LABELS = np.array([0, 1, 2, 1])
MEAN = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.0, 0.0, 0.0]])
READABLE = np.array([True, True, True, False])


def measured():
    """Clips and probabilities of four videos, of which one cannot be read."""
    clips = types.SimpleNamespace(
        test_videos=("a.avi", "b, c.avi", "d.avi", "e.avi"),
        test_labels=LABELS,
        class_names=NAMES,
    )
    return clips, types.SimpleNamespace(mean=MEAN, readable=READABLE)


def test_the_files_agree(tmp_path):
    clips, probabilities = measured()
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
    assert "top-" not in summary(result).replace("top-1", "")


def test_a_result_says_what_it_depends_on(tmp_path):
    clips, probabilities = measured()
    experiment = config()
    facts = {"weights_sha256": "0" * 64, "trained_videos": {"name": 2, "group": 1}}
    result = write_report(tmp_path, probabilities, clips, experiment, 7, facts=facts)
    assert result["weights_sha256"] == "0" * 64
    expected = {
        "split": 1,
        "frames": 8,
        "frame_interval": 1,
        "size": 32,
        "shuffle_frames": False,
        "clips": 2,
        "crops": 1,
        "precision": "float32",
        "seed": 0,
        "classes": 3,
        "undecided": 0,
    }
    assert {name: result[name] for name in expected} == expected
    assert set(result["versions"]) == {"tensorflow", "opencv-python-headless", "av"}
    assert all(result["versions"].values())
    assert "3 OF THEM TRAINED ON" in summary(result)


def test_videos_without_a_single_most_likely_class_are_counted(tmp_path):
    clips, probabilities = measured()
    probabilities.mean = np.full([4, 3], 1 / 3)
    result = write_report(tmp_path, probabilities, clips, config(), step=7)
    assert (result["top1"], result["undecided"]) == (0, 3)
    assert "3 without a single most likely class" in summary(result)
    with open(tmp_path / "predictions.csv", newline="") as file:
        assert {row["prediction"] for row in csv.DictReader(file)} == {""}


def test_names_of_files_say_what_differs_from_the_run(tmp_path):
    clips, probabilities = measured()
    write_report(tmp_path, probabilities, clips, config(), step=7)
    plain = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_report(tmp_path, probabilities, clips, config(), step=3, suffix="-step3-1x1")
    for name, content in plain.items():
        assert (tmp_path / name).read_bytes() == content
        stem, _, ending = name.partition(".")
        assert (tmp_path / f"{stem}-step3-1x1.{ending}").is_file()


@pytest.mark.parametrize(
    ("changes", "suffix"),
    [
        ({}, ""),
        ({"views.clips": 1}, "-1x1"),
        ({"views.crops": 3}, "-2x3"),
        ({"data.split": 2, "views.crops": 3}, "-split2-2x3"),
        ({"data.shuffle_frames": True, "seed": 3}, "-shuffled"),
        ({"data.frame_interval": 2}, "-frame_interval2"),
        ({"runtime.precision": "mixed_bfloat16"}, "-bfloat16"),
        ({"runtime.replicas": 4, "data.threads": 3, "seed": 5}, ""),
    ],
)
def test_every_option_that_a_number_depends_on_is_in_the_names(changes, suffix):
    experiment = config()
    for name, value in changes.items():
        section, _, option = name.rpartition(".")
        if section:
            part = getattr(experiment, section)
            value = dataclasses.replace(part, **{option: value})
        experiment = dataclasses.replace(experiment, **{section or option: value})
    assert suffix_of(config(), experiment) == suffix
    both = suffix_of(config(), experiment, step=7, videos="0123456789abcdef")
    assert both.startswith("-step7-") and "-videos01234567" in both
