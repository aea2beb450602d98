"""A SavedModel of ours is opened as the classifier that was written."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from configs.command.errors import ConfigError
from model import open_trained
from model.convert import convert


def test_a_converted_model_keeps_its_own_classes(npz, tmp_path):
    """The native classifier gives what the exported graph gives."""
    convert(npz, tmp_path / "model", clip=(4, 24, 24), head=True)
    trained = open_trained(None, tmp_path / "model")
    assert trained.class_names == ("0", "1", "2") and trained.step is None
    assert (trained.config.data.frames, trained.config.data.size) == (4, 24)
    generator = np.random.default_rng(0)
    clips = generator.integers(0, 256, [2, 4, 3, 24, 24], dtype=np.uint8)
    expected = tf.saved_model.load(str(tmp_path / "model"))(clips)
    actual = tf.nn.softmax(trained.model(clips))
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_the_command_line_decides_before_the_model_is_created(converted):
    seen = []

    def prepare(config):
        seen.append(config.epochs)
        return tf.name_scope("prepared")

    def override(config):
        seen.append(config.data.frames)
        return dataclasses.replace(config, epochs=7)

    trained = open_trained("", converted, override=override, prepare=prepare)
    assert seen == [4, 7] and trained.config.epochs == 7
    assert "prepared" in trained.model.head.kernel.name


def test_a_model_without_a_head_is_refused(state, tmp_path):
    bare = {name: v for name, v in state.items() if not name.startswith("cls_head.")}
    np.savez(tmp_path / "bare.npz", **bare)
    convert(tmp_path / "bare.npz", tmp_path / "model", clip=(2, 8, 8))
    with pytest.raises(ConfigError, match="with a classification head"):
        open_trained(None, tmp_path / "model")


def test_neither_a_run_nor_a_saved_model_is_refused():
    with pytest.raises(ConfigError, match="received neither"):
        open_trained(None, "")
