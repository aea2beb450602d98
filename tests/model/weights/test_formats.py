import io
import json
import pickle
import tarfile
import zipfile

import numpy as np
import pytest

from configs.command.errors import ConfigError
from model.weights.description import read_head
from model.weights.formats import (
    SAFETENSORS_TYPES,
    read_safetensors,
    read_weights,
    write_state_dict,
)
from model.weights.names import HEAD_NAMES
from model.weights.outputs import (
    STATE_DICTS,
    require_new_files,
    require_new_output,
)
from storage.files import sha256


def assert_same(tensors, expected):
    assert tensors.keys() == expected.keys()
    for name, value in expected.items():
        assert tensors[name].dtype == value.dtype
        np.testing.assert_array_equal(tensors[name], value)


@pytest.fixture
def saved(torch, state, tmp_path):
    """Saves what an official training run saves, under a name."""

    def save(name="official.pth", classes=None, **changes):
        tensors = {key: torch.tensor(value) for key, value in state.items()}
        content = {
            "meta": {"epoch": 30, "CLASSES": classes},
            "state_dict": tensors,
            "optimizer": {"param_groups": [{"lr": 1e-3}]},
        }
        torch.save(content | changes, tmp_path / name)
        return tmp_path / name

    return save


def test_reads_what_pytorch_saved(saved, state):
    path = saved(classes=["a", "b", "c"])
    checkpoint = read_weights(path)
    assert_same(checkpoint.tensors, state)
    assert checkpoint.class_names == ("a", "b", "c")
    assert checkpoint.sha256 == sha256(path)
    assert checkpoint.variant is None


def test_reads_the_shared_checkpoint(torch, shared):
    reference = np.load(shared / "reference" / "official_a.npz")
    checkpoint = read_weights(shared / "reference" / "official_a.pth")
    expected = {k[6:]: reference[k] for k in reference if k.startswith("state/")}
    assert_same(checkpoint.tensors, expected)


def test_reads_a_bare_backbone(torch, state, tmp_path):
    bare = {
        name.removeprefix("backbone."): torch.tensor(value)
        for name, value in state.items()
        if name not in HEAD_NAMES.values()
    }
    torch.save(bare, tmp_path / "bare.bin")
    tensors = read_weights(tmp_path / "bare.bin").tensors
    assert tensors.keys() == {name for name in state if name not in HEAD_NAMES.values()}


def test_reads_npz(npz, state):
    assert_same(read_weights(npz).tensors, state)


def write_safetensors(path, tensors):
    """Writes by the format's own rules: a JSON header, then the values."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    names = {np.dtype(value): key for key, value in SAFETENSORS_TYPES.items()}
    for name, value in tensors.items():
        end = len(data) + value.nbytes
        header[name] = {
            "dtype": names.get(value.dtype, "U8"),
            "shape": value.shape,
            "data_offsets": [len(data), end],
        }
        data += value.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def test_reads_safetensors(state, tmp_path):
    write_safetensors(tmp_path / "model.safetensors", state)
    assert_same(read_weights(tmp_path / "model.safetensors").tensors, state)


@pytest.mark.parametrize("dtype", SAFETENSORS_TYPES.values())
def test_reads_values_of_safetensors_of_every_known_type(tmp_path, dtype):
    tensors = {
        "backbone.a": np.array([[-2, 1, 3], [0, 5, 7]], dtype),
        "backbone.scalar": np.array(4, dtype),
        "backbone.empty": np.zeros([0, 3], dtype),
    }
    write_safetensors(tmp_path / "model.safetensors", tensors)
    assert_same(read_safetensors(tmp_path / "model.safetensors"), tensors)


def test_refuses_values_of_safetensors_of_another_type(tmp_path):
    path = tmp_path / "model.safetensors"
    write_safetensors(path, {"backbone.a": np.array([1, 2], np.uint8)})
    with pytest.raises(ConfigError, match=r"model\.safetensors' cannot be read: .*U8"):
        read_weights(path)


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}},
        {"a": {"dtype": "F32", "shape": [1 << 62, 4], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32"}},
        {"a": 1},
    ],
)
def test_refuses_a_header_of_safetensors_that_lies(tmp_path, header):
    text = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_weights(path)


@pytest.mark.parametrize("shape", [[1] * 100, [0, 2**63 - 1, 2]])
def test_refuses_a_shape_that_numpy_cannot_have(tmp_path, shape):
    size = 0 if 0 in shape else 4
    header = {"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}
    text = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(size))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_weights(path)


# NumPy's parser of headers gives up on each of these in another way.
HEADERS = {
    "never closed": "{'descr': (",
    "text never closed": "(((\n'''",
    "a list as name": "{[]: 1}",
    "of a huge size": "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 1%s)}"
    % ("0" * 30),
}


@pytest.mark.parametrize("name", HEADERS)
def test_refuses_an_array_whose_header_cannot_be_parsed(tmp_path, name):
    header = HEADERS[name].encode() + b"\n"
    length = len(header).to_bytes(2, "little")
    array = b"\x93NUMPY\1\0" + length + header
    path = tmp_path / "damaged.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for member in ("bias.npy", "kernel.npy"):
            archive.writestr(member, array)
    with pytest.raises(ConfigError, match="cannot be read") as error:
        read_weights(path)
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="is damaged") as error:
        read_head(path, features=2, class_names=None)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
def test_every_changed_byte_is_an_error_in_one_line(tmp_path, method):
    """Most of so small a file is the zip's own directory and the array's header."""
    stream = io.BytesIO()
    np.save(stream, np.zeros(3, np.float32))
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.npy", stream.getvalue())
    content = path.read_bytes()
    for position in range(2, len(content)):
        for value in (0x00, 0xFF):
            damaged = bytearray(content)
            damaged[position] = value
            path.write_bytes(damaged)
            with pytest.raises(ConfigError) as error:
                read_weights(path)  # Where it is read, it is of no known family.
            assert "\n" not in str(error.value)


def npz_with_header(path, shape, values):
    """An `.npz` file of one array that claims a shape."""
    header = io.BytesIO()
    description = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, description)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", header.getvalue() + values)


@pytest.mark.parametrize(
    ("shape", "values"), [((1 << 40,), b""), ((4,), bytes(12)), ((2,), bytes(12))]
)
def test_refuses_an_array_whose_header_lies(tmp_path, shape, values):
    """Before memory for it is asked for."""
    npz_with_header(tmp_path / "lie.npz", shape, values)
    with pytest.raises(ConfigError, match=r"a\.npy says it is float32") as error:
        read_weights(tmp_path / "lie.npz")
    assert f"{4 * shape[0]} bytes" in str(error.value)


def test_an_error_of_a_library_stays_one_line_without_control_characters(tmp_path):
    write_safetensors(tmp_path / "x", {"a\n\x1b[2J": np.array([1], np.uint8)})
    with pytest.raises(ConfigError) as error:
        read_weights(tmp_path / "x")
    assert str(error.value).isprintable()


def test_reads_compressed_and_other_floats(state, tmp_path):
    """NumPy's other orders of bytes and widths are numbers like any other."""
    kinds = [">f4", "<f8", ">f8", "<f4"]
    changed = {
        name: value.astype(kinds[number % 4]) if value.dtype.kind == "f" else value
        for number, (name, value) in enumerate(state.items())
    }
    np.savez_compressed(tmp_path / "packed.npz", **changed)
    assert_same(read_weights(tmp_path / "packed.npz").tensors, changed)


@pytest.mark.parametrize("dtype", [np.int64, bool, np.complex64, "U3", np.longdouble])
def test_refuses_arrays_that_are_no_floats(state, tmp_path, dtype):
    name = "backbone.norm.weight"
    np.savez(tmp_path / "other.npz", **state | {name: state[name].astype(dtype)})
    with pytest.raises(ConfigError, match=f"{name} must hold floats"):
        read_weights(tmp_path / "other.npz")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        ("<!DOCTYPE html><html><body>Sign in</body></html>", "a web page"),
        ("", "cannot be read"),
    ],
)
def test_tells_a_download_that_did_not_happen(torch, tmp_path, content, what):
    (tmp_path / "model.safetensors").write_text(content)
    with pytest.raises(ConfigError, match=what) as error:
        read_weights(tmp_path / "model.safetensors")
    assert "\n" not in str(error.value)


def test_refuses_a_file_of_terabytes_unread(tmp_path):
    with open(tmp_path / "model.safetensors", "wb") as file:
        file.truncate(1 << 41)
    with pytest.raises(ConfigError, match=r"at most 8\.0 GiB.* is 2\.0 TiB"):
        read_weights(tmp_path / "model.safetensors")


@pytest.mark.parametrize("name", ["model", "model.npz", "dangling", "file/model"])
def test_an_output_that_cannot_be_is_refused(tmp_path, name):
    (tmp_path / "model.tar.gz").touch()
    (tmp_path / "model.npz").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"must not exist yet|is a file"):
        require_new_output(tmp_path / name)


@pytest.mark.parametrize("name", ["a.PTH", "a.pt", "a.safetensors", "a.tar.gz", "a.h5"])
def test_an_output_that_looks_like_a_file_does_not_become_a_folder(tmp_path, name):
    with pytest.raises(ConfigError, match=r"a folder, or a file that ends in \.pth"):
        require_new_output(tmp_path / name)


@pytest.mark.parametrize("name", ["a", "a.pth", "new/folder/a.npz", "swin.v1"])
def test_a_new_output_may_be_anywhere(tmp_path, name):
    require_new_output(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", STATE_DICTS)
def test_writes_what_it_reads(request, state, tmp_path, suffix):
    if suffix == ".pth":
        request.getfixturevalue("torch")
    path = tmp_path / f"back{suffix}"
    write_state_dict(path, state, None)
    assert_same(read_weights(path).tensors, state)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ConfigError, match="must not exist yet"):
        write_state_dict(path, state, None)


class Payload:
    """Writes a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_refuses_a_payload_without_running_it(saved, torch, tmp_path):
    victim = tmp_path / "victim"
    path = saved(meta=Payload(victim))
    legacy = tmp_path / "legacy.pth"
    legacy.write_bytes(pickle.dumps({"state_dict": Payload(victim)}))
    np.savez(tmp_path / "payload.npz", x=np.array([Payload(victim)], object))
    for evil in (path, legacy):
        with pytest.raises(ConfigError, match="reading it could execute code"):
            read_weights(evil)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_weights(tmp_path / "payload.npz")
    assert not victim.exists()


def test_reads_bfloat16_as_it_is_meant(torch, state, tmp_path):
    name = "backbone.norm.weight"
    value = torch.tensor(state[name]).bfloat16()
    tensors = {key: torch.tensor(value) for key, value in state.items()}
    torch.save(tensors | {name: value}, tmp_path / "half.pth")
    found = read_weights(tmp_path / "half.pth").tensors[name]
    np.testing.assert_array_equal(found, value.float().numpy())


def test_refuses_changed_bytes_in_one_line(saved):
    path = saved()
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    for position in generator.integers(0, 3000, 40):
        path.write_bytes(content[:position] + b"\xff\x00\xff" + content[position + 3 :])
        try:
            read_weights(path)  # bytes of values may change unnoticed
        except ConfigError as error:
            assert "official.pth" in str(error)


@pytest.mark.parametrize("fraction", [0.02, 0.5, 0.99])
@pytest.mark.parametrize("form", ["official.pth", "official.npz", "model.safetensors"])
def test_refuses_what_was_cut_off(request, state, tmp_path, form, fraction):
    if form == "official.pth":
        path = request.getfixturevalue("saved")()
    elif form == "official.npz":
        path = request.getfixturevalue("npz")
    else:
        path = tmp_path / form
        write_safetensors(path, state)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * fraction)])
    with pytest.raises(ConfigError, match=r"cannot be read|could execute code"):
        read_weights(path)


def test_refuses_what_is_no_checkpoint(tmp_path, torch, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "text").write_text("no checkpoint, but long enough to be looked at")
    with pytest.raises(ConfigError, match=r"cannot be read|could execute code"):
        read_weights(tmp_path / "text")
    with pytest.raises(ConfigError, match="there is no .*missing.pth"):
        read_weights(tmp_path / "missing.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ConfigError, match="holds a list of unknown form"):
        read_weights(tmp_path / "list.pth")
    with tarfile.open(tmp_path / "empty.tar.gz", "w:gz"):
        pass
    with pytest.raises(ConfigError, match="directory with saved_model.pb"):
        read_weights(tmp_path / "empty.tar.gz")


def test_one_file_by_two_names_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    one, other = tmp_path / "a.npz", tmp_path / "link" / "a.npz"
    require_new_files({"--one": (one, ".npz"), "--other": (tmp_path / "b.npz", ".npz")})
    with pytest.raises(ConfigError, match="--other must be another file than --one"):
        require_new_files({"--one": (one, ".npz"), "--other": (other, ".npz")})
