"""Names of other projects, and that the weights behind them compute the same.

`other_projects.npz` holds what torchvision, timm and Hugging Face's transformers give
for small models of random weights; `other_projects.py` writes it.
"""

from pathlib import Path

import numpy as np
import pytest

from configs.command.errors import ConfigError
from model.convert import as_native
from model.video_swin.backbone import VideoSwin
from model.weights.families import to_official_names
from model.weights.names import HEAD_NAMES
from model.weights.translation import neighbour_by_neighbour
from tests.model.weights import other_projects

HEAD = tuple(HEAD_NAMES.values())


@pytest.fixture(scope="module")
def outputs():
    """States and outputs of other projects' models by `<project>/…`."""
    with np.load(Path(__file__).with_name("other_projects.npz")) as arrays:
        return dict(arrays)


def state_of(outputs, project):
    start = f"{project}/state/"
    return {
        name.removeprefix(start): value
        for name, value in outputs.items()
        if name.startswith(start)
    }


def features_of(state, clip):
    """Features [B, T, H, W, C] of our model, and its weights by path."""
    weights, architecture = as_native(to_official_names(state, "file"), None)
    backbone = VideoSwin(**architecture)
    backbone.assign_weights({path: weights[path] for path in backbone.named_weights()})
    return backbone(clip).numpy(), weights


def test_torchvision_computes_the_same_features_and_logits(outputs):
    clip = other_projects.clip().transpose(0, 2, 1, 3, 4)
    features, weights = features_of(state_of(outputs, "torchvision_3d"), clip)
    expected = outputs["torchvision_3d/features"]
    np.testing.assert_allclose(features, expected, rtol=0, atol=5e-6)
    logits = features.mean((1, 2, 3)) @ weights["head/kernel"] + weights["head/bias"]
    np.testing.assert_allclose(
        logits, outputs["torchvision_3d/logits"], rtol=0, atol=5e-6
    )


@pytest.mark.parametrize("project", ["torchvision_2d", "timm", "hugging_face"])
def test_an_inflated_model_sees_in_a_still_what_the_2d_model_sees(outputs, project):
    """Every frame of a clip that does not move is the image itself."""
    clip = np.repeat(other_projects.image()[:, None], 6, axis=1)
    features, weights = features_of(state_of(outputs, project), clip)
    expected = outputs[f"{project}/features"]
    for frame in range(features.shape[1]):
        found = features[:, frame]
        np.testing.assert_allclose(
            found, expected.reshape(found.shape), rtol=0, atol=5e-6
        )
    assert "head/kernel" not in weights


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def changed(state, *changes):
    """A state with parts of its names replaced."""
    result = {}
    for name, value in state.items():
        for old, new in changes:
            name = name.replace(old, new)
        result[name] = value
    return result


def mmaction2(state):
    return changed(state, ("backbone.norm.", "backbone.norm1."))


def timm(state):
    return changed(
        state,
        ("backbone.", ""),
        ("layers.0.downsample", "layers.1.downsample"),
        ("cls_head.fc_cls", "head.fc"),
    )


def bare_with_head(state):
    return changed(state, ("backbone.", ""), ("cls_head.fc_cls", "head"))


def per_block_compiled(state):
    return changed(state, ("blocks.0.", "blocks.0._orig_mod."))


def hugging_face_in_memory(state):
    """Names of transformers' modules from version 5 on."""
    result = changed(
        state,
        ("backbone.patch_embed.proj", "swin.embeddings.patch_embeddings.projection"),
        ("backbone.patch_embed", "swin.embeddings"),
        ("backbone.norm", "swin.layernorm"),
        ("backbone.layers", "swin.encoder.layers"),
        ("attn.rel", "attention.relative_position_bias.rel"),
        ("attn.proj", "attention.o_proj"),
        ("norm1", "layernorm_before"),
        ("norm2", "layernorm_after"),
        ("cls_head.fc_cls", "classifier"),
    )
    for name in [name for name in result if ".attn.qkv." in name]:
        parts = np.split(result.pop(name), 3)
        for part, value in zip(("q_proj", "k_proj", "v_proj"), parts, strict=True):
            result[name.replace("attn.qkv", f"attention.{part}")] = value
    return result


@pytest.mark.parametrize(
    "written",
    [mmaction2, timm, bare_with_head, per_block_compiled, hugging_face_in_memory],
)
def test_the_names_of_a_family_become_official(state, written):
    other = written(state)
    assert other.keys() != state.keys()
    assert_same(to_official_names(other, "file"), state)


@pytest.mark.parametrize(
    "prefix",
    ["module.", "_orig_mod.", "model.", "module._orig_mod.", "model.model.", "a.b."],
)
@pytest.mark.parametrize("family", [dict, timm, hugging_face_in_memory])
def test_whatever_stands_before_all_names_goes(state, prefix, family):
    wrapped = {prefix + name: value for name, value in family(state).items()}
    assert_same(to_official_names(wrapped, "file"), state)


def test_what_a_loss_or_an_average_keeps_is_left_out_and_said(state, caplog):
    beside = {
        "criterion.weight": np.ones(3),
        "model.loss_fn.weight": np.ones(3),
        "n_averaged": np.array(7),
    }
    wrapped = {f"model.{name}": value for name, value in state.items()}
    with caplog.at_level("WARNING"):
        assert_same(to_official_names(wrapped | beside, "file"), state)
    assert all(name in caplog.text for name in beside)


def test_norms_of_other_stages_are_left_out_and_said(state, caplog):
    other = mmaction2(state) | {"backbone.norm0.weight": np.ones(8)}
    with caplog.at_level("WARNING"):
        assert_same(to_official_names(other, "file"), state)
    assert "norm0.weight" in caplog.text


def test_the_merging_of_mmpretrain_gathers_by_unfold(torch):
    """Its reduction follows `nn.Unfold`, the official one four slices."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 5, 6, 4, generator=generator)
    weight = torch.randn(10, 20, generator=generator)
    theirs = weight @ torch.nn.Unfold(2, stride=2)(x)[0]
    slices = [x[:, :, row::2, column::2] for column in (0, 1) for row in (0, 1)]
    gathered = torch.cat(slices, 1).flatten(2)[0]
    official = torch.from_numpy(neighbour_by_neighbour(weight.numpy()).copy())
    torch.testing.assert_close(official @ gathered, theirs)


def test_names_of_mmpretrain_become_official(state):
    other = changed(
        state,
        ("patch_embed.proj", "patch_embed.projection"),
        ("attn.", "attn.w_msa."),
        ("mlp.fc1", "ffn.layers.0.0"),
        ("mlp.fc2", "ffn.layers.1"),
        ("backbone.norm.", "backbone.norm1."),
        ("layers.0.blocks", "stages.0.blocks"),
        ("layers.1.blocks", "stages.1.blocks"),
        ("layers.0.downsample", "stages.0.downsample"),
        ("cls_head.fc_cls", "head.fc"),
    )
    found = to_official_names(other, "file")
    assert found.keys() == state.keys()
    for name in state.keys() - {name for name in state if "downsample" in name}:
        np.testing.assert_array_equal(found[name], state[name])


def only(*names):
    return {name: np.zeros(2) for name in names}


@pytest.mark.parametrize(
    ("names", "looks_like"),
    [
        (only("conv1.weight", "layer1.0.conv1.weight"), "a residual network"),
        (only("blocks.0.attn.qkv.weight"), "a transformer"),
        (only("layers.0.blocks.0.attn.logit_scale"), "a Swin V2"),
        (only("a", "b", "c", "d", "e"), r"none of them: a \[2\], b .* and 2 more"),
        ({}, "no tensors"),
    ],
)
def test_an_unknown_file_is_told_what_is_known_and_what_it_is(names, looks_like):
    with pytest.raises(ConfigError, match=looks_like) as error:
        to_official_names(names, "strange.pth")
    message = str(error.value)
    assert "'strange.pth'" in message and "torchvision" in message
    assert "\n" not in message


def test_two_models_or_two_heads_are_not_chosen_between(state):
    two = {
        f"{who}.{name}": value
        for who in ("student", "teacher")
        for name, value in state.items()
    }
    with pytest.raises(ConfigError, match=r"several: student\.backbone.*teacher"):
        to_official_names(two, "file")
    with pytest.raises(ConfigError, match="one head"):
        to_official_names(state | {"head.weight": state[HEAD[0]]}, "file")
    name = "backbone.norm1.weight"
    with pytest.raises(ConfigError, match="once"):
        to_official_names(state | {name: state["backbone.norm.weight"]}, "file")
