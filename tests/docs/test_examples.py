"""The examples of docs/extending.md run and do what the page says."""

import dataclasses
import inspect
import json
import typing

import numpy as np
import pytest
import tensorflow as tf

from configs.command.errors import DataError
from configs.schema import Data, Optimizer
from data.decoding.write import write_video
from data.sources import hmdb51
from model import backbones
from model.classifier import Classifier
from model.optimizer.groups import parameter_groups
from model.weights.saved_model import write_classifier
from tests.docs.pages import REPOSITORY, blocks


@pytest.fixture(scope="module")
def examples():
    """The names that the examples define, in one namespace."""
    names = {}
    for block in blocks(REPOSITORY / "docs" / "extending.md"):
        if block.language == "python":
            exec(compile(block.text, "extending.md", "exec"), names)
    return names


def test_an_experiment(examples):
    config = examples["config"]()
    assert (config.epochs, config.data.size) == (15, 112)


def test_an_option(examples):
    """It is one of the real ones, word for word."""
    (shown,) = dataclasses.fields(examples["Optimizer"])
    (real,) = (f for f in dataclasses.fields(Optimizer) if f.name == shown.name)
    assert (shown.default, shown.metadata) == (real.default, real.metadata)


def test_a_data_set(examples, tmp_path):
    """It is opened and scanned by functions of the form that the table names."""
    for name, function in (("open", "open_pairs"), ("scan", "scan_pairs")):
        asked = inspect.signature(getattr(hmdb51, f"{name}_hmdb51"))
        assert inspect.signature(examples[function]) == asked
    videos = {"train": {"a.avi": "Fall", "b.avi": "Rise"}, "test": {"c.avi": "Rise"}}
    (tmp_path / "videos").mkdir()
    for part, classes in videos.items():
        for name in classes:
            path = tmp_path / "videos" / name
            write_video(path, np.zeros([4, 16, 16, 3], np.uint8))
        pairs = [{"video": name, "class": of} for name, of in classes.items()]
        (tmp_path / f"{part}.json").write_text(json.dumps(pairs))
    data = Data(root=str(tmp_path))
    source = examples["open_pairs"](data, after_video=lambda: None)
    assert source.listing.names == ("a.avi", "b.avi", "c.avi")
    assert source.listing.train_size == 2
    assert source.listing.labels.tolist() == [0, 1, 1]
    assert [video.frames for video in source.videos] == [4, 4, 4]
    assert len(examples["scan_pairs"](data, processes=1)) == 3
    (tmp_path / "test.json").write_text("[")
    with pytest.raises(DataError, match="test.json cannot be read"):
        examples["scan_pairs"](data, processes=1)


def test_an_augmentation(examples):
    assert examples["random_square"](6, 10, draws=[0.5, 0.99]) == (0, 4, 6, 6)


def test_a_backbone(examples, tmp_path):
    """It provides what the contracts ask for, works in a classifier and is exported."""
    kind = examples["PatchesKind"]()
    for name in [name for name in vars(backbones.Kind) if not name.startswith("_")]:
        asked = inspect.signature(getattr(backbones.Kind, name)).parameters
        given = inspect.signature(getattr(examples["PatchesKind"], name)).parameters
        assert given.keys() == asked.keys(), name
    for name in typing.get_type_hints(backbones.Kind):
        assert hasattr(kind, name), name
    model = Classifier(kind.create(None), 3)
    for name in typing.get_type_hints(backbones.Backbone):
        assert hasattr(model.backbone, name), name
    assert model(np.zeros([2, 4, 3, 32, 32], np.uint8)).shape == (2, 3)
    groups = parameter_groups(model, backbone_lr_multiplier=0.1, weight_decay=0.02)
    assert [group.lr_multiplier for group in groups] == [0.1, 0.1, 1, 1]
    facts = dict.fromkeys(("licence", "origin", "source", "source_sha256"), "unknown")
    description = {
        "name": "patches",
        "architecture": None,
        "class_names": ["a", "b", "c"],
        "clip": (4, 32, 32),
        **facts,
    }
    write_classifier(tmp_path / "out", model, description, *kind.saved(model.backbone))
    clip = np.ones([1, 4, 3, 32, 32], np.uint8)
    exported = tf.saved_model.load(str(tmp_path / "out"))(clip)
    np.testing.assert_allclose(exported, tf.nn.softmax(model(clip)), atol=1e-6)


def test_a_schedule(examples):
    schedule = examples["WarmupLinear"](2.0, steps=10, warmup_steps=2)
    rates = [float(schedule(tf.constant(step))) for step in (0, 1, 2, 6, 10, 11)]
    np.testing.assert_allclose(rates, [0, 1, 2, 1, 0, 0])


def test_a_logger(examples):
    logger = examples["BestEpoch"](step=4, history=[{"top1": 0.5}])
    logger.after_epoch({"epoch": 1, "top1": 0.25})
    assert logger.best == 0.5
    logger.after_epoch({"epoch": 2, "top1": 0.75})
    assert logger.best == 0.75
