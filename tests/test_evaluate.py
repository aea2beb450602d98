"""A converted checkpoint is measured with its own head and its own classes."""

import csv
import dataclasses
import json
import shutil

import pytest

import evaluate
from configs.command.errors import ConfigError
from configs.schema import Runtime, Views
from model import open_trained


@pytest.fixture
def open_converted(converted, tiny_root):
    """Opens the converted checkpoint to be evaluated on the videos of a directory."""

    def open_converted(root=tiny_root):
        def override(config):
            return dataclasses.replace(
                config,
                data=dataclasses.replace(config.data, root=str(root)),
                runtime=Runtime(replicas=2),
                views=Views(clips=2, crops=1),
            )

        return open_trained(
            None, converted, override=override, prepare=evaluate.prepare
        )

    return open_converted


def test_its_own_head_decides(open_converted, tmp_path):
    result = evaluate.evaluate(open_converted(), tmp_path)
    # Two or three of the seven test videos rise.
    with open(tmp_path / "predictions.csv", newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    assert result["top1"] == labels.count("Rise") / 7
    assert result["step"] is None
    assert json.loads((tmp_path / "evaluation.json").read_text())["views"] == 2


def test_videos_of_other_classes_are_refused(open_converted, tiny_root, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_root, other)
    for path in (other / "ucfTrainTestlist").iterdir():
        path.write_text(path.read_text().replace("Slide", "Glide"))
    (other / "UCF-101" / "Slide").rename(other / "UCF-101" / "Glide")
    for path in (other / "UCF-101" / "Glide").iterdir():
        path.rename(path.with_name(path.name.replace("Slide", "Glide")))
    with pytest.raises(ConfigError, match="Fall, Rise, Slide.*holds Fall, Rise, Glide"):
        evaluate.evaluate(open_converted(other), tmp_path)


def test_classes_without_names_are_compared_by_number():
    evaluate.check_classes(["0", "1"], ("a", "b"), "root")
    with pytest.raises(ConfigError, match="the 2 classes"):
        evaluate.check_classes(["0", "1"], ("a", "b", "c"), "root")


def test_accents_that_are_coded_in_another_way_are_the_same_classes():
    evaluate.check_classes(["caf\u00e9", "run"], ("cafe\u0301", "run"), "root")
    with pytest.raises(ConfigError, match="the 2 classes"):
        evaluate.check_classes(["caf\u00e9", "run"], ("cafe", "run"), "root")
