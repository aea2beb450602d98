import re
import tarfile

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from configs.errors import ConfigError
from model.hub import (
    HubBackbone,
    channels_last,
    check_interface,
    local_directory,
    read_interface,
)

FRAMES, SIZE, CHANNELS = 4, 16, 6


def save_published(folder, clip=(3, FRAMES, SIZE, SIZE), channels_first=True):
    """A SavedModel as the published ones: written by Keras, [n, 3, T, H, W] in."""
    inputs = keras.Input(clip)
    axis = clip.index(3)
    order = [1 + i for i in range(4) if i != axis]
    x = keras.layers.Permute([*order, axis + 1])(inputs)
    x = keras.layers.Conv3D(CHANNELS, (2, 8, 8), strides=(2, 8, 8))(x)
    x = keras.layers.LayerNormalization()(x)
    x = keras.layers.Dropout(0.5)(x)
    if channels_first:
        x = keras.layers.Permute([4, 1, 2, 3])(x)
    keras.Model(inputs, x).save(folder, save_format="tf")
    return str(folder)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return save_published(tmp_path_factory.mktemp("hub") / "published")


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


def test_dropout_is_off_in_evaluation_and_on_in_training(published):
    backbone = HubBackbone(published)
    still = [backbone(clips(), training=False) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    assert np.any(backbone(clips(), training=True) == 0)


@pytest.mark.parametrize(
    ("clip", "channels_first"),
    [((FRAMES, 3, SIZE, SIZE), False), ((FRAMES, SIZE, SIZE, 3), True)],
)
def test_reads_the_layout_from_the_signature(tmp_path, clip, channels_first):
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
    interface = read_interface(published)
    check_interface(interface, frames=FRAMES, size=SIZE)
    with pytest.raises(ConfigError, match=re.escape("--data.frames=4 --data.size=16")):
        check_interface(interface, frames=8, size=SIZE)
    with pytest.raises(ValueError, match=re.escape("(3, 8, 3, 16, 16)")):
        HubBackbone(published)(np.zeros([3, 8, 3, SIZE, SIZE], np.float32))


def test_mixed_precision_reaches_inside_the_graph(published):
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


def test_refuses_what_is_no_clip_model(tmp_path):
    inputs = keras.Input((28, 28, 3))
    model = keras.Model(inputs, keras.layers.Flatten()(inputs))
    model.save(tmp_path / "image", save_format="tf")
    with pytest.raises(ConfigError, match=r"offers .*28, 28, 3"):
        read_interface(tmp_path / "image")
    tf.saved_model.save(tf.Module(), str(tmp_path / "module"))
    with pytest.raises(ConfigError, match="no object that can be called"):
        read_interface(tmp_path / "module")
    with pytest.raises(ConfigError, match="a directory with saved_model.pb"):
        local_directory(str(tmp_path))
    with pytest.raises(ConfigError, match="a path or an address"):
        local_directory(str(tmp_path / "missing"))
    (tmp_path / "module/saved_model.pb").write_bytes(b"half")
    with pytest.raises(ConfigError, match="must be a whole SavedModel"):
        read_interface(tmp_path / "module")
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(ConfigError, match="a tar file"):
        local_directory(str(tmp_path / "text"))


def test_unpacks_a_tar_file_once(published, tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(published, arcname=".")
    directory = local_directory(str(archive))
    changed = directory.stat().st_mtime_ns
    assert read_interface(directory) == read_interface(published)
    assert local_directory(str(archive)).stat().st_mtime_ns == changed
    archive.write_bytes(archive.read_bytes()[:1000])
    with pytest.raises(ConfigError, match="a whole tar file"):
        local_directory(str(archive))
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize("replicas", [2, 4])
def test_fits_for_epochs_under_mirrored_strategy(published, replicas):
    """The predecessor's training died after its first epoch on more than one GPU."""
    keras.utils.set_random_seed(0)
    # The default collectives of two strategies of one process clash over their groups.
    strategy = tf.distribute.MirroredStrategy(
        [f"CPU:{i}" for i in range(replicas)],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )
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
