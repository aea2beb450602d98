"""What PyTorch saved for other projects, and what cannot be weights."""

import argparse
import bz2
import gzip
import lzma
import pathlib
import pickle
import sys
import tarfile
import types
import zipfile

import numpy as np
import pytest

from configs.command.errors import ConfigError
from model.weights.formats import read_weights
from model.weights.pytorch import DEEPEST, HARMLESS

QKV = "backbone.layers.0.blocks.0.attn.qkv.weight"


@pytest.fixture
def tensors(torch, state):
    return {name: torch.tensor(value) for name, value in state.items()}


@pytest.fixture
def read(torch, tmp_path):
    """Saves something, and reads it as weights."""

    def saved_and_read(content):
        torch.save(content, tmp_path / "saved.pth")
        return read_weights(tmp_path / "saved.pth")

    return saved_and_read


def assert_same(checkpoint, state):
    assert checkpoint.tensors.keys() == state.keys()
    for name, value in state.items():
        np.testing.assert_array_equal(checkpoint.tensors[name], value)


def official(tensors):
    """The best checkpoint of the official repository."""
    meta = {
        "epoch": 30,
        "CLASSES": None,
        "hook_msgs": {"best_score": np.float64(0.8125), "best": np.int64(3)},
    }
    scaler = {"loss_scaler0": {"loss_scale": 65536.0}}
    return {"meta": meta, "state_dict": tensors, "optimizer": {}, "amp": scaler}


def timm(tensors):
    arguments = argparse.Namespace(model="swin", output=pathlib.Path("out"))
    return {"state_dict": tensors, "args": arguments, "metric": np.float32(80.1)}


def arrays_beside(tensors):
    return {"model": tensors, "history": np.arange(3.0), "epoch": 7}


@pytest.mark.parametrize("project", [official, timm, arrays_beside])
def test_reads_what_projects_save_beside_their_weights(read, tensors, state, project):
    assert_same(read(project(tensors)), state)


@pytest.fixture
def absent_project(monkeypatch):
    """Makes modules of a project while it saves, which are gone when it is read."""

    def define(full_name, base):
        module, _, name = full_name.rpartition(".")
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            parent = ".".join(parts[:end])
            monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
        kind = type(name, (base,), {"__module__": module})
        setattr(sys.modules[module], name, kind)
        return kind

    return define


@pytest.mark.parametrize(
    ("full_name", "base"),
    [
        ("mmengine.logging.history_buffer.HistoryBuffer", object),
        ("yacs.config.CfgNode", dict),
        ("lightning_fabric.utilities.data.AttributeDict", dict),
    ],
)
def test_reads_past_objects_of_projects_that_are_not_there(
    torch, tensors, state, tmp_path, absent_project, monkeypatch, full_name, base
):
    assert full_name in HARMLESS
    value = absent_project(full_name, base)()
    value.__dict__["history"] = np.arange(3.0)
    if base is dict:
        value["lr"] = 1e-3
    path = tmp_path / "theirs.pth"
    torch.save({"state_dict": tensors, "message_hub": {"log": value}}, path)
    monkeypatch.undo()
    assert_same(read_weights(path), state)


def test_no_code_of_numpy_or_a_project_runs(torch, read, tensors, monkeypatch):
    """The names that are allowed stand for objects that do nothing."""
    for name in HARMLESS:
        assert HARMLESS[name].__module__ == "model.weights.pytorch"
    before = set(torch.serialization.get_safe_globals())
    read(official(tensors))
    assert set(torch.serialization.get_safe_globals()) == before


def test_a_dict_that_holds_itself_ends(read, tensors):
    content = {"tensors": tensors}
    content["state_dict"] = content
    with pytest.raises(ConfigError, match="cannot be read"):
        read(content)


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2Ja", 7, "layers." * 1000])
def test_a_name_that_cannot_stand_in_a_line_is_shown_quoted(read, tensors, name):
    with pytest.raises(ConfigError, match="must be called by texts") as error:
        read(tensors | {name: tensors[QKV]})
    assert str(error.value).isprintable() and len(str(error.value)) < 300


def test_an_empty_average_is_none(read, tensors, state):
    assert_same(read({"state_dict": tensors, "state_dict_ema": {}}), state)


def test_names_the_object_that_is_refused(torch, tensors, tmp_path):
    module = torch.nn.Linear(2, 2)
    torch.save({"model": module}, tmp_path / "module.pth")
    with pytest.raises(ConfigError, match=r"torch\.nn\.modules\.linear\.Linear") as e:
        read_weights(tmp_path / "module.pth")
    assert "\n" not in str(e.value)


def test_a_folder_of_weights_is_told_which_file_to_name(tmp_path):
    (tmp_path / "config.json").touch()
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ConfigError, match=r"with model\.safetensors: name one"):
        read_weights(tmp_path)


@pytest.mark.parametrize("key", ["model_state_dict", "state_dict_ema", "model", "net"])
def test_finds_the_state_dict_in_its_wrapper(read, tensors, state, key):
    best = next(iter(tensors.values()))  # some keep a score as a tensor
    assert_same(read({key: tensors, "epoch": 3, "best": best}), state)


def test_takes_the_average_and_says_so(read, tensors, state, caplog):
    plain = {name: value + 1 for name, value in tensors.items()}
    with caplog.at_level("WARNING"):
        assert_same(read({"state_dict": plain, "state_dict_ema": tensors}), state)
    assert "state_dict_ema is taken, since it is the average" in caplog.text
    assert "left out: state_dict." in caplog.text
    caplog.clear()
    with caplog.at_level("WARNING"):  # mmengine has exchanged the two
        assert_same(read({"state_dict": tensors, "ema_state_dict": plain}), state)
    assert "left out: ema_state_dict." in caplog.text


@pytest.mark.parametrize("name", ["ema", "ema_model", "swa", "teacher"])
@pytest.mark.parametrize("wrap", [dict, lambda plain: {"decay": 0.9, "shadow": plain}])
def test_names_weights_that_are_left_out_whatever_they_are_called(
    read, tensors, state, caplog, name, wrap
):
    plain = {f"module.{key}": value + 1 for key, value in tensors.items()}
    others = {"optimizer": {"state": {0: tensors}, "param_groups": []}, "meta": {}}
    with caplog.at_level("WARNING"):
        assert_same(read({"model": tensors, name: wrap(plain), **others}), state)
    assert f"left out: {name}." in caplog.text


@pytest.mark.parametrize("count", [0, 1, DEEPEST])
def test_takes_as_many_wrappers_as_it_says(read, tensors, state, count):
    content = tensors
    for _ in range(count):
        content = {"state_dict": content}
    assert_same(read(content), state)


@pytest.mark.parametrize(
    ("pack", "what"),
    [
        (gzip.compress, "it is compressed: unpack it first"),
        (bz2.compress, "it is compressed: unpack it first"),
        (lzma.compress, "it is compressed: unpack it first"),
        (lambda content: b"HTTP/1.1 200 OK" + content, "stand before the zip file"),
    ],
    ids=["gzip", "bzip2", "xz", "behind other bytes"],
)
def test_a_packed_checkpoint_is_told(torch, tensors, tmp_path, pack, what):
    torch.save(tensors, tmp_path / "a.pth")
    (tmp_path / "a.pth").write_bytes(pack((tmp_path / "a.pth").read_bytes()))
    with pytest.raises(ConfigError, match=f"a.pth' cannot be read: .*{what}"):
        read_weights(tmp_path / "a.pth")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
def test_a_tar_file_of_a_checkpoint_is_told(
    torch, tensors, tmp_path, monkeypatch, mode
):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    torch.save(tensors, tmp_path / "a.pth")
    with tarfile.open(tmp_path / "packed.pth", mode) as file:
        file.add(tmp_path / "a.pth", arcname="a.pth")
    with pytest.raises(ConfigError, match=r"packed file of a\.pth: unpack it first"):
        read_weights(tmp_path / "packed.pth")


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"CLASSES": ["a", "b", "c"]}, ("a", "b", "c")),
        ({"dataset_meta": {"classes": ["a", "b", "c"]}}, ("a", "b", "c")),
        ({"dataset_meta": {"CLASSES": ("a", "b", "c")}}, ("a", "b", "c")),
        ({"CLASSES": None, "dataset_meta": {}}, None),
        ({"dataset_meta": 3}, None),
        (None, None),
    ],
)
def test_finds_class_names_where_mmaction_keeps_them(read, tensors, meta, expected):
    assert read({"state_dict": tensors, "meta": meta}).class_names == expected


KINDS = {
    "sparse": lambda torch, x: x.to_sparse(),
    "quantised": lambda torch, x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8),
    "without values": lambda torch, x: x.to("meta"),
    "float8": lambda torch, x: x.to(torch.float8_e4m3fn),
    "complex64": lambda torch, x: x.to(torch.complex64),
    "nested": lambda torch, x: torch.nested.nested_tensor([x[0], x[1, :3]]),
    "int32": lambda torch, x: (100 * x).int(),
    "bool": lambda torch, x: x > 0,
    "NaN": lambda torch, x: x * float("nan"),
    "infinite": lambda torch, x: torch.where(x > 0.5, float("inf"), x),
    "too large": lambda torch, x: x.double() * 1e300,
    "not a tensor": lambda torch, x: x.numpy(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_what_is_no_weight_is_told_in_one_line(torch, read, tensors, kind):
    with pytest.raises(ConfigError, match=kind) as error:
        read({"state_dict": tensors | {QKV: KINDS[kind](torch, tensors[QKV])}})
    assert QKV in str(error.value) and "\n" not in str(error.value)


VIEWS = {
    "transposed": lambda torch, x: x.t().contiguous().t(),
    "of a larger storage": lambda torch, x: torch.cat([x, x])[: len(x)],
    "a parameter": lambda torch, x: torch.nn.Parameter(x),
    "negated lazily": lambda torch, x: torch._neg_view(-x),
    "float64": lambda torch, x: x.double(),
}


@pytest.mark.parametrize("view", VIEWS)
def test_however_a_tensor_lies_in_memory_its_values_count(
    torch, read, tensors, state, view
):
    assert_same(read(tensors | {QKV: VIEWS[view](torch, tensors[QKV])}), state)


def test_a_shape_without_a_storage_of_its_size_is_refused(torch, read, tensors):
    huge = torch.zeros(1).expand(1 << 20, 1 << 20)
    with pytest.raises(ConfigError, match=r"4\.0 TiB"):
        read(tensors | {QKV: huge})


def test_an_archive_that_unpacks_to_far_more_is_refused(torch, tmp_path):
    torch.save({"a": torch.zeros(1 << 25)}, tmp_path / "plain.pth")
    bomb = tmp_path / "bomb.pth"
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(ConfigError, match=r"unpack to at most 6\d\.\d MiB.*128"):
        read_weights(bomb)


def test_a_program_of_torchscript_is_told(torch, tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "script.pt")
    with pytest.raises(ConfigError, match="TorchScript program"):
        read_weights(tmp_path / "script.pt")


def test_files_from_before_2020_are_read(torch, tensors, state, tmp_path):
    path = tmp_path / "old.pth"
    torch.save(tensors, path, _use_new_zipfile_serialization=False)
    assert_same(read_weights(path), state)


def test_a_bare_pickle_is_refused_with_a_line(torch, tmp_path):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"state_dict": {}}))
    with pytest.raises(ConfigError) as error:
        read_weights(tmp_path / "x.pkl")
    assert "\n" not in str(error.value)
