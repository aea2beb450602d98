import os
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from absl import logging

from configs.command.errors import ConfigError
from model.hub.backbone import HubBackbone, channels_last
from model.hub.saved_model import read_interface
from tests.replicas import mirrored

FRAMES, SIZE, CHANNELS = 4, 16, 6


def clips(count=3):
    generator = np.random.default_rng(0)
    return generator.normal(size=(count, FRAMES, 3, SIZE, SIZE)).astype(np.float32)


def test_meets_the_backbone_contract(published):
    backbone = HubBackbone(published)
    loaded = tf.saved_model.load(published)
    features = backbone(clips(), training=False)
    expected = loaded(clips().transpose(0, 2, 1, 3, 4), training=False)
    assert features.shape == (3, 2, 2, 2, CHANNELS)
    np.testing.assert_allclose(features, np.transpose(expected, (0, 2, 3, 4, 1)), 1e-6)
    assert len(backbone.trainable_variables) == 4
    assert backbone.num_features == CHANNELS


def test_variables_without_weight_decay_are_told_by_their_names(published):
    """The norm of this model; of others also tables and norms of any name."""
    backbone = HubBackbone(published)
    found = [
        variable.name
        for variable in backbone.trainable_variables
        if backbone.no_weight_decay.search(variable.name)
    ]
    assert len(found) == 2 and all("layer_normalization" in name for name in found)
    others = ("a/norm1/scale:0", "gamma", "b/beta:0", "relative_position_bias_table:0")
    assert all(map(backbone.no_weight_decay.search, others))
    assert not any(map(backbone.no_weight_decay.search, ("a/kernel:0", "alphabeta:0")))


DATA = "variables/variables.data-00000-of-00001"


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def rename_a_node(folder):
    """Changed bytes of the graph, in a name that other nodes' inputs call."""
    path = folder / "saved_model.pb"
    content = path.read_bytes()
    name = b"patches/Conv3D/ReadVariableOp"
    assert name in content
    path.write_bytes(content.replace(name, b"X" * len(name), 1))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: shutil.rmtree(folder / "variables"),
        lambda folder: (folder / DATA).unlink(),
        lambda folder: os.truncate(folder / DATA, 10),
        lambda folder: flip(folder / DATA, 50),
        lambda folder: os.truncate(folder / "variables/variables.index", 10),
        lambda folder: (folder / "tfhub_module.pb").touch(),
        rename_a_node,
    ],
    ids=[
        *("no variables", "no data", "cut off", "one bit", "index cut off"),
        *("also of TensorFlow 1", "graph"),
    ],
)
def test_a_model_that_is_not_whole_is_refused_in_one_line(published, tmp_path, damage):
    folder = tmp_path / "damaged"
    shutil.copytree(published, folder)
    damage(folder)
    with pytest.raises(ConfigError, match="damaged' cannot be loaded: ") as error:
        HubBackbone(str(folder))
    assert "\n" not in str(error.value)


def test_dropout_is_off_in_evaluation_and_on_in_training(published):
    backbone = HubBackbone(published)
    still = [backbone(clips(), training=False) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    assert np.any(backbone(clips(), training=True) == 0)


@pytest.mark.parametrize(
    ("clip", "channels_first"),
    [((FRAMES, 3, SIZE, SIZE), False), ((FRAMES, SIZE, SIZE, 3), True)],
)
def test_reads_the_layout_from_the_signature(
    save_published, tmp_path, clip, channels_first
):
    folder = save_published(tmp_path / "hub", clip, channels_first)
    assert read_interface(folder).sizes == (FRAMES, SIZE, SIZE)
    assert HubBackbone(folder)(clips()).shape == (3, 2, 2, 2, CHANNELS)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((2, 8), (2, 1, 1, 1, 8)),
        ((2, 30, 8), (2, 1, 1, 30, 8)),
        ((2, 8, 3, 1, 1), (2, 3, 1, 1, 8)),
        ((2, 3, 1, 1, 8), (2, 3, 1, 1, 8)),
    ],
)
def test_features_get_their_channels_last(shape, expected):
    assert channels_last(tf.zeros(shape)).shape == expected


def test_refuses_a_clip_that_does_not_fit(published):
    with pytest.raises(ValueError, match=re.escape("(3, 8, 3, 16, 16)")):
        HubBackbone(published)(np.zeros([3, 8, 3, SIZE, SIZE], np.float32))


def test_mixed_precision_reaches_inside_the_graph(published, monkeypatch):
    lines = []
    monkeypatch.setattr(logging, "info", lambda text, *args: lines.append(text % args))
    rewrite = "auto_mixed_precision_onednn_bfloat16"
    exact = HubBackbone(published)(clips()).numpy()
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        found = tf.function(HubBackbone(published))(clips()).numpy()
        assert tf.config.optimizer.get_experimental_options()[rewrite]
    finally:
        keras.mixed_precision.set_global_policy("float32")
        tf.config.optimizer.set_experimental_options({rewrite: False})
    assert np.abs(found - exact).max() < 3e-2 * np.abs(exact).max()
    assert any(rewrite in line and "own long sums" in line for line in lines)


@pytest.mark.parametrize("replicas", [2, 4])
def test_fits_for_epochs_under_mirrored_strategy(published, replicas):
    """The predecessor's training died after its first epoch on more than one GPU."""
    keras.utils.set_random_seed(0)
    strategy = mirrored(replicas)
    with strategy.scope():
        inputs = keras.Input((FRAMES, 3, SIZE, SIZE))
        backbone = HubBackbone(published)
        pooled = keras.layers.GlobalAveragePooling3D()(backbone(inputs))
        model = keras.Model(inputs, keras.layers.Dense(2)(pooled))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.01), loss)
    before = [weight.numpy() for weight in backbone.trainable_variables]
    train = clips(8), np.arange(8) % 2
    history = model.fit(
        *train, batch_size=4, epochs=3, validation_data=train, verbose=0
    ).history
    assert len(history["val_loss"]) == 3
    assert history["loss"][-1] < history["loss"][0]
    for weight, start in zip(backbone.trainable_variables, before, strict=True):
        assert isinstance(weight, tf.distribute.DistributedValues)
        assert np.any(weight.numpy() != start)
        for local in strategy.experimental_local_results(weight):
            np.testing.assert_array_equal(local.numpy(), weight.numpy())
