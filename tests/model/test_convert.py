import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from configs.command.errors import ConfigError, StorageError
from configs.schema import Model, Protocol
from configs.schema.model import VIDEO_SWIN_SIZES
from model.convert import convert, shown, sizes
from model.create import create_backbone
from model.weights.architecture import infer_architecture, official_shapes, to_native
from model.weights.formats import read_weights
from model.weights.names import PATCH_KERNEL
from model.weights.protocol import clip_facts
from model.weights.released import RELEASED
from model.weights.saved_model import load_handle

CLIP = (2, 8, 8)  # the smallest graph
QKV = "backbone.layers.0.blocks.0.attn.qkv.weight"


def rewritten(tmp_path, tensors, name="changed.npz"):
    np.savez(tmp_path / name, **tensors)
    return tmp_path / name


def missing(state):
    return {name: value for name, value in state.items() if name != QKV}


def renamed(state):
    return missing(state) | {"backbone.layers.0.blocks.0.attn.query": state[QKV]}


def transposed(state):
    return state | {QKV: state[QKV].T}


@pytest.mark.parametrize(
    ("damage", "lines"),
    [
        (missing, [f"- {QKV} [24, 8] is missing"]),
        (
            renamed,
            [
                f"- {QKV} [24, 8] is missing",
                "+ backbone.layers.0.blocks.0.attn.query [24, 8] is not known",
            ],
        ),
        (transposed, [f"! {QKV} must be [24, 8]; received [8, 24]"]),
    ],
)
def test_what_does_not_fit_is_listed_and_nothing_written(
    state, tmp_path, damage, lines
):
    path = rewritten(tmp_path, damage(state))
    with pytest.raises(ConfigError) as error:
        convert(path, tmp_path / "output", clip=CLIP)
    assert str(error.value).splitlines()[1:] == lines
    assert [entry.name for entry in tmp_path.iterdir()] == ["changed.npz"]


def test_nothing_is_left_when_writing_fails(npz, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr("model.weights.saved_model.tarfile.open", fail)
    with pytest.raises(StorageError, match="No space"):
        convert(npz, tmp_path / "output", clip=CLIP)
    assert [entry.name for entry in tmp_path.iterdir()] == [npz.name]


def test_outputs_are_never_overwritten(npz, tmp_path):
    (tmp_path / "output.tar.gz").touch()
    with pytest.raises(ConfigError, match="must not exist yet"):
        convert(npz, tmp_path / "output", clip=CLIP)
    assert not (tmp_path / "output").exists()


def test_an_output_that_exists_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "output").mkdir()
    with pytest.raises(ConfigError, match="must not exist yet"):
        convert(tmp_path / "missing.pth", tmp_path / "output", clip=CLIP)


def test_class_names_must_be_names_unless_others_are_given(state, torch, tmp_path):
    tensors = {name: torch.tensor(value) for name, value in state.items()}
    content = {"state_dict": tensors, "meta": {"CLASSES": [1, 2, 3]}}
    torch.save(content, tmp_path / "numbers.pth")
    with pytest.raises(ConfigError, match="as a list of texts"):
        convert(tmp_path / "numbers.pth", tmp_path / "back.npz")
    names = ("a", "b", "c")
    convert(tmp_path / "numbers.pth", tmp_path / "back.npz", class_names=names)
    assert (tmp_path / "back.npz").is_file()


def test_classes_of_images_go_with_the_head_that_knows_them(state, torch, tmp_path):
    """ImageNet has two classes called crane."""
    tensors = {name: torch.tensor(value) for name, value in state.items()}
    tensors[PATCH_KERNEL] = tensors[PATCH_KERNEL][:, :, 0]
    for name in [name for name in tensors if "relative_position" in name]:
        table = torch.zeros(25, tensors[name].shape[1])
        tensors[name] = table if name.endswith("table") else tensors[name]
    content = {"state_dict": tensors, "meta": {"CLASSES": ["crane", "crane", "x"]}}
    torch.save(content, tmp_path / "image.pth")
    convert(tmp_path / "image.pth", tmp_path / "inflated.npz")
    back = read_weights(tmp_path / "inflated.npz")
    assert infer_architecture(back.tensors)["window_size"] == (8, 3, 3)
    with pytest.raises(ConfigError, match="at most 4608 patches"):
        convert(tmp_path / "image.pth", tmp_path / "x.npz", window_size=(10**9, 3, 3))


def test_command_line(npz, clips, state, architecture, repository, tmp_path):
    """The whole way in a process of its own, with the whole classifier out."""
    (tmp_path / "names.txt").write_text("left\nright\n\nstill\n")
    command_line = [sys.executable, "-m", "model.convert", "--clip=4x24x20", "--head"]
    command_line += [f"--class_names={tmp_path / 'names.txt'}", str(npz)]
    run = subprocess.run(
        [*command_line, str(tmp_path / "output")],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "3 classes" in run.stderr
    handle = load_handle(tmp_path / "output")
    assert handle.architecture == architecture
    assert handle.class_names == ("left", "right", "still")
    assert handle.description["clip"] == [4, 24, 20]
    assert (tmp_path / "output.tar.gz").is_file()
    assert read_weights(tmp_path / "output").tensors.keys() >= {QKV}


def test_a_model_of_the_real_size_converts_in_a_minute_and_4_gib(repository, tmp_path):
    """Swin-T for 32 x 224 x 224, by processor time: other tests may be running."""
    name = "swin_tiny_patch244_window877_kinetics400_1k"
    variant = RELEASED[name]
    generator = np.random.default_rng(0)
    tensors = {
        key: generator.standard_normal(shape, dtype=np.float32)
        for key, shape in official_shapes(
            variant.architecture, variant.num_classes
        ).items()
    }
    path = rewritten(tmp_path, tensors, f"{name}.npz")
    command = [sys.executable, "-m", "model.convert", str(path), str(tmp_path / "out")]
    process = subprocess.Popen(command, cwd=repository, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    assert usage.ru_utime + usage.ru_stime < 60
    assert usage.ru_maxrss < 4 * 2**20  # KiB
    assert load_handle(tmp_path / "out").description["name"] == name
    assert (tmp_path / "out" / "saved_model.pb").stat().st_size < 5e6
    parameters = sum(value.size for value in tensors.values())
    assert parameters == 28_158_070


def test_there_and_back_is_exact_to_the_bit(npz, state, torch, tmp_path):
    """Official file -> SavedModel -> official file, weights and index tables."""
    convert(npz, tmp_path / "model", clip=CLIP, class_names=("a", "b", "c"))
    convert(tmp_path / "model.tar.gz", tmp_path / "back.pth")
    back = torch.load(tmp_path / "back.pth", weights_only=True)
    assert back["meta"]["CLASSES"] == ("a", "b", "c")
    assert back["state_dict"].keys() == state.keys()
    for name, value in state.items():
        assert back["state_dict"][name].numpy().tobytes() == value.tobytes()


def test_a_conversion_keeps_the_clips_of_the_model(npz, torch, tmp_path):
    """Through a SavedModel and a state dict, unless --clip says otherwise."""
    convert(npz, tmp_path / "first", clip=(4, 16, 16))
    convert(tmp_path / "first", tmp_path / "again.pth")
    convert(tmp_path / "again.pth", tmp_path / "third")
    # A file of tensors that knows of no clips: those of the released models.
    assert shown(read_weights(npz), None) == Protocol()
    assert clip_facts(Protocol(), None)["clip"] == (32, 224, 224)
    assert clip_facts(Protocol(frames=8, size=64), None)["clip"] == (8, 64, 64)
    assert clip_facts(Protocol(frames=8, size=64), (2, 4, 6))["clip"] == (2, 4, 6)
    meta = torch.load(tmp_path / "again.pth", weights_only=True)["meta"]
    assert meta["video_protocol"] == {"frames": 4, "size": 16}
    assert load_handle(tmp_path / "third").description["clip"] == [4, 16, 16]


def test_features_are_those_of_the_official_implementation(shared, tmp_path):
    reference = np.load(shared / "reference" / "official_a.npz")
    tensors = {k[6:]: reference[k] for k in reference if k.startswith("state/")}
    convert(rewritten(tmp_path, tensors), tmp_path / "model", clip=CLIP)
    backbone = create_backbone(Model(handle=str(tmp_path / "model")))
    features = backbone(reference["input"].transpose(0, 2, 1, 3, 4)).numpy()
    expected = reference["features"].transpose(0, 2, 3, 4, 1)
    np.testing.assert_allclose(features, expected, rtol=0, atol=5e-6)
    head = load_handle(tmp_path / "model").head()
    logits = features.mean((1, 2, 3)) @ head["kernel"] + head["bias"]
    np.testing.assert_allclose(logits, reference["logits"], rtol=0, atol=5e-6)


def test_a_released_name_is_checked_against_the_content(state, tmp_path, monkeypatch):
    """The predecessor's K600 entry was K400's file."""
    name = "swin_base_patch244_window877_kinetics600_22k"
    with pytest.raises(ConfigError, match="must be one of swin_tiny"):
        convert(rewritten(tmp_path, state), tmp_path / "output", variant="swin")
    path = rewritten(tmp_path, state, f"{name}.npz")
    with pytest.raises(ConfigError, match=rf"{name} must hold embed_dim=128"):
        convert(path, tmp_path / "output")
    architecture = infer_architecture(state)
    small = dataclasses.replace(
        RELEASED[name],
        num_classes=3,
        window_size=architecture["window_size"],
        patch_size=architecture["patch_size"],
    )
    monkeypatch.setitem(RELEASED, name, small)
    sides = {key: architecture[key] for key in ("embed_dim", "depths", "num_heads")}
    monkeypatch.setitem(VIDEO_SWIN_SIZES, "base", sides)
    convert(path, tmp_path / "output", clip=CLIP)
    description = load_handle(tmp_path / "output").description
    assert description["name"] == name
    assert description["licence"] == "Apache-2.0"
    assert description["drop_path_rate"] == 0.2
    published = {
        "frame_sampling": "interval",
        "frame_interval": 2,
        "clips": 4,
        "crops": 3,
        "view_sampling": "official",
        "short_side": 0,
    }
    assert description["protocol"] == published
    # Written again for other clips, it is still the same model from the same file.
    convert(tmp_path / "output", tmp_path / "again", clip=(4, 8, 8))
    again = load_handle(tmp_path / "again").description
    for fact in (
        "name",
        "licence",
        "origin",
        "drop_path_rate",
        "training",
        "protocol",
        "source",
        "source_sha256",
    ):
        assert again[fact] == description[fact]
    assert again["source"] == f"{name}.npz" and again["clip"] == [4, 8, 8]
    page = (tmp_path / "output/assets.extra/documentation.md").read_text()
    assert "Kinetics-600, from ImageNet-22K" in page and "top-1 84.0 %" in page
    page = (tmp_path / "again/assets.extra/documentation.md").read_text()
    assert "Kinetics-600, from ImageNet-22K" in page and "top-1 84.0 %" in page


def test_image_models_become_video_backbones(state, tmp_path):
    tensors = {
        name.removeprefix("backbone."): value
        for name, value in state.items()
        if not name.startswith("cls_head") and not name.endswith("index")
    }
    tensors["patch_embed.proj.weight"] = state[PATCH_KERNEL][:, :, 0]
    for name in tensors:
        if name.endswith("table"):
            tensors[name] = tensors[name][:25]
    path = rewritten(tmp_path, tensors | {"head.weight": np.zeros([9, 16])})
    convert(path, tmp_path / "output", clip=CLIP, window_size=(4, 3, 3))
    handle = load_handle(tmp_path / "output")
    assert handle.architecture["window_size"] == (4, 3, 3)
    assert handle.head() is None
    with pytest.raises(ConfigError, match="--head needs a checkpoint with a"):
        convert(path, tmp_path / "other", head=True)


def test_the_window_of_a_video_model_cannot_be_changed(npz, tmp_path):
    with pytest.raises(ConfigError, match=r"--window_size must be 2x3x3, as.* 8x7x7"):
        convert(npz, tmp_path / "output", window_size=(8, 7, 7))


@pytest.mark.parametrize("output", ["output", "output.npz"])
def test_a_head_without_a_class_is_refused(state, tmp_path, output):
    empty = {
        name: value[:0] for name, value in state.items() if name.startswith("cls_head")
    }
    path = rewritten(tmp_path, state | empty)
    before = set(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="head must tell classes apart"):
        convert(path, tmp_path / output, clip=CLIP)
    assert set(tmp_path.iterdir()) == before


def test_class_names_must_be_as_many_as_the_classes(npz, tmp_path):
    with pytest.raises(ConfigError, match="as many as the head's classes, 3"):
        convert(npz, tmp_path / "output", class_names=("one",))


def test_sizes_are_read_from_text():
    assert sizes("32x224x224", "--clip") == (32, 224, 224)
    for wrong in ("32x224", "0x8x8", "axbxc", "32,224,224"):
        with pytest.raises(ConfigError, match=f"--clip .* received '{wrong}'"):
            sizes(wrong, "--clip")


def test_weights_are_those_of_the_file(npz, state, architecture, tmp_path):
    convert(npz, tmp_path / "output", clip=CLIP)
    expected = to_native(state, architecture)
    for path, value in load_handle(tmp_path / "output").weights().items():
        np.testing.assert_array_equal(value, expected[path])
