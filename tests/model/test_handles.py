import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from configs.errors import ConfigError
from configs.schema import Model
from model.convert import convert
from model.handles import (
    check_handle,
    create_backbone,
    graph_fingerprint,
    load_handle,
    resolve_architecture,
)
from model.hub import HubBackbone
from model.video_swin import VideoSwin


@pytest.fixture(scope="module")
def ours(state, tmp_path_factory):
    """A converted SavedModel."""
    folder = tmp_path_factory.mktemp("handles")
    np.savez(folder / "official.npz", **state)
    convert(folder / "official.npz", folder / "ours", clip=(2, 8, 8))
    return str(folder / "ours")


@pytest.fixture(scope="module")
def opaque(tmp_path_factory):
    """A SavedModel of unknown inside."""
    folder = tmp_path_factory.mktemp("opaque")
    inputs = keras.Input([3, 4, 8, 8])
    outputs = keras.layers.Conv3D(6, 2, data_format="channels_last")(
        keras.layers.Permute([2, 3, 4, 1])(inputs)
    )
    keras.Model(inputs, outputs).save(folder, save_format="tf")
    return str(folder)


def test_architecture_comes_from_the_handle(ours, architecture):
    resolved = resolve_architecture(Model(handle=ours, drop_path=0.3))
    assert {name: getattr(resolved, name) for name in architecture} == architecture
    assert resolved.drop_path == 0.3
    assert resolve_architecture(resolved) == resolved


def test_contradictions_are_refused(ours, opaque):
    with pytest.raises(ConfigError, match=re.escape("model.depths must be (2, 1) or")):
        resolve_architecture(Model(handle=ours, depths=(2, 2)))
    with pytest.raises(ConfigError, match="model.embed_dim must be none where"):
        resolve_architecture(Model(handle=opaque, embed_dim=8))
    assert resolve_architecture(Model(handle=opaque)) == Model(handle=opaque)


def test_an_opaque_graph_is_known_by_its_content(ours, opaque, tmp_path):
    shutil.copytree(opaque, tmp_path / "copy")
    known = graph_fingerprint(Model(handle=opaque))
    assert len(known) == 64
    assert graph_fingerprint(Model(handle=str(tmp_path / "copy"))) == known
    with open(tmp_path / "copy" / "saved_model.pb", "ab") as file:
        file.write(b"x")
    assert graph_fingerprint(Model(handle=str(tmp_path / "copy"))) != known
    assert graph_fingerprint(resolve_architecture(Model(handle=ours))) is None


def test_damaged_weights_are_refused(ours, tmp_path):
    shutil.copytree(ours, tmp_path / "copy")
    path = tmp_path / "copy/variables/variables.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ConfigError, match="holds no whole variables"):
        create_backbone(Model(handle=str(tmp_path / "copy")))


def test_random_weights_need_no_handle(architecture):
    backbone = create_backbone(Model(**architecture))
    assert isinstance(backbone, VideoSwin)
    assert backbone(tf.zeros([1, 5, 3, 20, 30])).shape == (1, 3, 3, 4, 16)


def test_ours_becomes_native_within_a_strategy_for_any_clip(ours, state):
    strategy = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    with strategy.scope():
        backbone = create_backbone(Model(handle=ours, recompute=True))
    norm = backbone.named_weights()["norm/gamma"]
    for local in strategy.experimental_local_results(norm):
        np.testing.assert_array_equal(local.numpy(), state["backbone.norm.weight"])
    assert backbone(tf.zeros([1, 5, 3, 20, 30])).shape == (1, 3, 3, 4, 16)


def test_others_run_as_they_are(opaque):
    assert load_handle(opaque) is None
    backbone = create_backbone(Model(handle=opaque))
    assert isinstance(backbone, HubBackbone)
    assert backbone(tf.zeros([1, 4, 3, 8, 8])).shape == (1, 3, 7, 7, 6)


def test_only_opaque_handles_are_held_to_a_clip_size(ours, opaque, architecture):
    check_handle(Model(**architecture), frames=99, size=99)
    check_handle(Model(handle=ours), frames=99, size=99)
    check_handle(Model(handle=opaque), frames=4, size=8)
    with pytest.raises(ConfigError, match="data.frames=4 --data.size=8"):
        check_handle(Model(handle=opaque), frames=32, size=224)
