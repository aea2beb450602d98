import re

import numpy as np
import pytest
import tensorflow as tf

from configs.command.errors import ConfigError
from model.weights.architecture import infer_architecture, to_native
from model.weights.formats import read_weights
from model.weights.names import HEAD_NAMES, official_names


def flat_list(state, architecture):
    """Variables in the predecessor's order, named as its published models name them."""
    weights = to_native(state, architecture)
    named = []
    for path in official_names(architecture["depths"]):
        value = weights[path]
        if path == "patch_embedding/kernel":
            value = value.transpose(0, 2, 3, 1, 4)
        leaf = path.rpartition("/")[2]
        named.append((f"window_attention3d_1/{leaf}", value))
    tables = [value for name, value in state.items() if name.endswith("index")]
    named[-2:-2] = [("window_attention3d_1/relative_position_index", t) for t in tables]
    return named


def save(folder, named):
    root = tf.__internal__.tracking.AutoTrackable()
    root.variables = [
        tf.Variable(value, name=name, trainable=value.dtype == np.float32)
        for name, value in named
    ]
    tf.saved_model.save(root, str(folder))
    return folder


def test_published_models_become_official_tensors(state, architecture, tmp_path):
    folder = save(tmp_path / "published", flat_list(state, architecture))
    checkpoint = read_weights(folder)
    assert infer_architecture(checkpoint.tensors) == architecture
    expected = {k: v for k, v in state.items() if k not in HEAD_NAMES.values()}
    assert checkpoint.tensors.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(checkpoint.tensors[name], value)


def swapped(named, first, second):
    named = list(named)
    named[first], named[second] = named[second], named[first]
    return named


def refusal(tmp_path, named, message):
    with pytest.raises(ConfigError, match=message):
        tensors = read_weights(save(tmp_path / "wrong", named)).tensors
        to_native(tensors, infer_architecture(tensors))


def test_another_order_is_refused(state, architecture, tmp_path):
    message = re.escape("patch_embedding/norm/gamma as variable 2, not window")
    refusal(tmp_path, swapped(flat_list(state, architecture), 2, 3), message)


def test_other_shapes_are_refused(state, architecture, tmp_path):
    named = flat_list(state, architecture)
    named[7] = (named[7][0], named[7][1].T)
    message = r"! .*qkv\.weight must be \[24, 8\]; received \[8, 24\]"
    refusal(tmp_path, named, message)


def test_other_counts_are_refused(state, architecture, tmp_path):
    named = flat_list(state, architecture)
    refusal(tmp_path, named[:-1], "variables for depths")
    refusal(tmp_path / "2", [n for n in named if "index" not in n[0]], "index tables")


def test_other_saved_models_are_refused(tmp_path):
    root = tf.Module()
    root.weight = tf.Variable([1.0])
    tf.saved_model.save(root, str(tmp_path / "other"))
    with pytest.raises(ConfigError, match="does not have a flat list of variables"):
        read_weights(tmp_path / "other")
