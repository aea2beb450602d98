import dataclasses
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from configs.command.errors import ConfigError
from configs.schema import Model, video_swin
from configs.schema.model import size_of
from model.backbones import kind_of
from model.convert import convert
from model.create import create_backbone, graph_fingerprint, resolve_model
from model.hub.backbone import HubBackbone
from model.video_swin.backbone import VideoSwin
from tests.replicas import mirrored


@pytest.fixture(scope="module")
def ours(state, tmp_path_factory):
    """A converted SavedModel."""
    folder = tmp_path_factory.mktemp("ours")
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


def resolved(config, **begun):
    """A `Model` resolved for clips of 4 x 8 x 8."""
    return resolve_model(config, frames=4, size=8, **begun)


def test_architecture_comes_from_the_handle(ours, architecture):
    config = resolved(Model(handle=ours, drop_path_rate=0.3))
    assert config.backbone == "video_swin"
    assert config.architecture == architecture
    assert config.drop_path_rate == 0.3
    assert resolved(config) == config


def test_contradictions_are_refused(ours, opaque):
    with pytest.raises(ConfigError, match=re.escape("depths is (2, 1) there, (2, 2)")):
        resolved(Model(handle=ours, depths=(2, 2)))
    with pytest.raises(ConfigError, match="a Video Swin, than .* describe, a Swin-S: "):
        resolved(video_swin("small", handle=ours))
    with pytest.raises(ConfigError, match="model.embed_dim must be none where"):
        resolved(Model(handle=opaque, embed_dim=8))
    with pytest.raises(ConfigError, match="backbone=video_swin needs a model.handle"):
        resolved(Model(handle=opaque, backbone="video_swin"))
    assert resolved(Model(handle=opaque)) == Model(handle=opaque, backbone="hub")


def test_the_handle_decides_where_it_is_to_and_the_log_says_so(
    ours, architecture, caplog
):
    """Without an error or a flag for each option, also once its run has begun."""
    caplog.set_level("INFO", "absl")
    left = video_swin("small", handle=ours, architecture_from="handle").left_to_handle()
    config = resolved(left)
    assert config.architecture == architecture
    assert "model.handle decides the architecture: a Video Swin (embed_dim=" in (
        caplog.text
    )
    gone = dataclasses.replace(left, handle="gone")
    assert resolved(gone, begun=config).architecture == architecture
    with pytest.raises(ConfigError, match="model.embed_dim is .* there, 96 here. --mo"):
        resolved(dataclasses.replace(left, embed_dim=96))


def test_sizes_have_their_papers_names(architecture):
    for name in ("tiny", "small", "base"):
        assert size_of(video_swin(name).architecture) == f"Swin-{name[0].upper()}"
    assert size_of(architecture) == "Video Swin"


def test_a_begun_video_swin_needs_its_handle_no_more(ours, architecture):
    begun = resolved(Model(handle=ours))
    again = resolved(Model(handle="gone", dropout=0.1), begun=begun)
    assert again.backbone == "video_swin" and again.architecture == architecture
    assert again.handle == "gone" and again.dropout == 0.1


def test_an_opaque_graph_is_known_by_its_content(ours, opaque, tmp_path):
    shutil.copytree(opaque, tmp_path / "copy")
    known = graph_fingerprint(Model(handle=opaque))
    assert len(known) == 64
    assert graph_fingerprint(Model(handle=str(tmp_path / "copy"))) == known
    with open(tmp_path / "copy" / "saved_model.pb", "ab") as file:
        file.write(b"x")
    assert graph_fingerprint(Model(handle=str(tmp_path / "copy"))) != known
    assert graph_fingerprint(resolved(Model(handle=ours))) is None


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
    strategy = mirrored(2)
    with strategy.scope():
        backbone = create_backbone(Model(handle=ours, recompute="block"))
    norm = backbone.named_weights()["norm/gamma"]
    for local in strategy.experimental_local_results(norm):
        np.testing.assert_array_equal(local.numpy(), state["backbone.norm.weight"])
    assert backbone(tf.zeros([1, 5, 3, 20, 30])).shape == (1, 3, 3, 4, 16)


def test_others_run_as_they_are(opaque):
    backbone = create_backbone(Model(handle=opaque))
    assert isinstance(backbone, HubBackbone)
    assert backbone(tf.zeros([1, 4, 3, 8, 8])).shape == (1, 3, 7, 7, 6)


def test_ours_too_can_run_as_it_is(ours):
    """For the clips that it was written for."""
    backbone = create_backbone(Model(handle=ours, backbone="hub"))
    assert isinstance(backbone, HubBackbone)
    clip = tf.reshape(tf.range(2 * 3 * 8 * 8, dtype=tf.float32), [1, 2, 3, 8, 8])
    expected = create_backbone(Model(handle=ours))(clip)
    np.testing.assert_allclose(backbone(clip), expected, atol=1e-5)


def test_only_opaque_handles_are_bound_to_a_clip_size(ours, opaque, architecture):
    resolve_model(Model(**architecture), frames=99, size=99)
    resolve_model(Model(handle=ours), frames=99, size=99)
    resolve_model(Model(handle=opaque), frames=4, size=8)
    with pytest.raises(ConfigError, match="data.frames=4 --data.size=8"):
        resolve_model(Model(handle=opaque), frames=32, size=224)


def test_only_a_video_swin_has_a_state_dict(ours, opaque, state):
    head = {
        "kernel": state["cls_head.fc_cls.weight"].T,
        "bias": state["cls_head.fc_cls.bias"],
    }
    config = Model(handle=ours)
    found = kind_of(config).state_dict(create_backbone(config), head)
    assert found.keys() == state.keys()
    for name, value in state.items():
        np.testing.assert_array_equal(found[name], value)
    with pytest.raises(ConfigError, match="Only a video_swin has a state dict"):
        kind_of(Model(handle=opaque)).state_dict(None, head)
