"""Reads checkpoints of every known form, and writes state dicts.

It reads what PyTorch saves (which needs torch), safetensors, `.npz`, and SavedModels of
ours and of the predecessor. The form is told by a file's content, not by its name, and
no code that a file may hold is run. It writes `.pth` (which needs torch) and `.npz`.
All tensors go by their official names.
"""

import dataclasses
import pickle
import zipfile
from pathlib import Path

import numpy as np
import safetensors
import tensorflow as tf

from configs.command.errors import ConfigError, StorageError
from model.hub.saved_model import local_directory
from model.weights.names import HEAD_NAMES, official_names, to_official
from model.weights.predecessor import read_predecessor
from model.weights.released import RELEASED
from model.weights.saved_model import load_handle
from storage.files import sha256, written_aside

# The forms that `write_state_dict` writes, by the end of a file's name.
STATE_DICTS = (".pth", ".npz")
# This file of a SavedModel holds a checksum of every tensor.
VARIABLES_INDEX = Path("variables", "variables.index")
# What PyTorch's reader raises on files that were cut off or changed.
READ_ERRORS = (RuntimeError, ValueError, LookupError, TypeError, AttributeError)
SAFETENSORS_TYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": tf.bfloat16.as_numpy_dtype,
    "I64": np.int64,
    "I32": np.int32,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class OfficialWeights:
    """Tensors by official name, and what is known about them.

    `description` is that of a SavedModel of ours, otherwise empty.
    """

    tensors: dict[str, np.ndarray]
    class_names: tuple[str, ...] | None
    source: str
    sha256: str
    description: dict

    @property
    def variant(self):
        """The released model that it is named after, or None."""
        names = (self.source.partition(".")[0], self.description.get("name"))
        return next((name for name in names if name in RELEASED), None)


def read_weights(path):
    """Reads a checkpoint file, or a SavedModel (directory, tar file, address).

    Returns:
        `OfficialWeights`; names of a bare backbone get the prefix `backbone.`.

    Raises:
        ConfigError: there is nothing that can be read, or reading it would run code.
    """
    if not Path(path).exists() and "://" not in str(path):
        raise ConfigError(
            "The checkpoint must be a file, a SavedModel or its address; there is no "
            f"{str(path)!r}."
        )
    if Path(path).is_file() and not is_tar(path):
        tensors, class_names = read_file(Path(path))
        return OfficialWeights(
            tensors=with_backbone_prefix(tensors),
            class_names=class_names,
            source=Path(path).name,
            sha256=sha256(path),
            description={},
        )
    directory = local_directory(path)
    handle = load_handle(directory)
    return OfficialWeights(
        tensors=read_ours(handle) if handle else read_predecessor(directory),
        class_names=handle and handle.class_names,
        source=Path(path).name,
        sha256=sha256(directory / VARIABLES_INDEX),
        description=handle.description if handle else {},
    )


def is_tar(path):
    """Whether a file is a tar file, compressed or not, by its first bytes."""
    with open(path, "rb") as file:
        start = file.read(512)
    return start[:2] == b"\x1f\x8b" or start[257:262] == b"ustar"


def read_file(path):
    """Tensors and class names of a file, by the form of its content."""
    with open(path, "rb") as file:
        start = file.read(9)
    if start[:2] == b"PK":
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except zipfile.BadZipFile as error:
            raise unreadable(path, error) from error
        if all(name.endswith(".npy") for name in names):
            return read_npz(path), None
        return read_torch(path)
    return (read_safetensors(path), None) if start[8:] == b"{" else read_torch(path)


def unreadable(path, error):
    """The error that says why a file cannot be read."""
    return ConfigError(
        f"The checkpoint must be a whole file of a known form; {str(path)!r} cannot be "
        f"read: {error}"
    )


def read_npz(path):
    """Arrays of a `.npz` file; pickled ones are refused."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise unreadable(path, error) from error


def read_safetensors(path):
    """Arrays of a safetensors file, which holds nothing but values."""
    try:
        entries = safetensors.deserialize(path.read_bytes())
    except safetensors.SafetensorError as error:
        raise unreadable(path, error) from error
    unknown = {entry["dtype"] for _, entry in entries} - SAFETENSORS_TYPES.keys()
    if unknown:
        raise unreadable(path, f"it holds values of the types {sorted(unknown)}")
    return {
        # Not by the library's own reader for NumPy, which knows no bfloat16.
        name: np.frombuffer(entry["data"], SAFETENSORS_TYPES[entry["dtype"]]).reshape(
            entry["shape"]
        )
        for name, entry in entries
    }


def import_torch(path):
    """PyTorch, which only files of its own form need."""
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{str(path)!r} needs PyTorch: pip install '.[convert]'."
        ) from error
    return torch


def read_torch(path):
    """Tensors of a file saved by PyTorch, and the class names in its `meta`."""
    torch = import_torch(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ConfigError(
            f"{str(path)!r} is damaged or holds more than tensors and plain values: "
            f"reading it could execute code, so it was not read. ({first_line(error)})"
        ) from error
    except (*READ_ERRORS, EOFError, OSError) as error:
        raise unreadable(path, first_line(error)) from error
    state, meta = content, {}
    if isinstance(content, dict):
        state = content.get("state_dict", content.get("model", content))
        meta = content.get("meta") or {}
    if not isinstance(state, dict) or not isinstance(meta, dict):
        raise unreadable(path, f"it holds a {type(state).__name__} of unknown form")
    names = meta.get("CLASSES")
    tensors = {
        name.removeprefix("module."): as_array(torch, value)
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }
    return tensors, tuple(names) if names else None


def as_array(torch, tensor):
    """A tensor as an array; NumPy has no bfloat16."""
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return tensor.detach().numpy()


def first_line(error):
    """The first line of an error's message."""
    return str(error).strip().split("\n")[0]


def with_backbone_prefix(tensors):
    """Gives the names of a bare backbone the prefix they have in a whole model."""
    if any(name.startswith("backbone.") for name in tensors):
        return tensors
    return {
        name if name.startswith(("cls_head.", "head.")) else f"backbone.{name}": value
        for name, value in tensors.items()
    }


def read_ours(handle):
    """Tensors of a SavedModel of ours, its head's included."""
    names = official_names(handle.architecture["depths"]) | HEAD_NAMES
    weights = handle.weights()
    for name, value in (handle.head() or {}).items():
        weights[f"head/{name}"] = value
    return {names[path]: to_official(path, value) for path, value in weights.items()}


def write_state_dict(output, tensors, class_names):
    """Writes official tensors as a file that appears whole or not at all.

    Args:
        output: a path ending in one of STATE_DICTS; there must be no such file.
        tensors: by official name.
        class_names: of the head; None where they are not known. `.npz` keeps none.

    Raises:
        ConfigError: the output exists, or needs PyTorch.
        StorageError: it could not be written.
    """
    torch = import_torch(output) if output.suffix == ".pth" else None
    with written_aside(output) as path, open(path, "wb") as file:
        if torch is None:
            np.savez(file, **tensors)
            return
        state = {key: torch.from_numpy(value.copy()) for key, value in tensors.items()}
        try:
            torch.save({"state_dict": state, "meta": {"CLASSES": class_names}}, file)
        except RuntimeError as error:  # All that PyTorch says of a full disk.
            raise StorageError(
                f"{output} could not be written (is the disk full?): "
                f"{first_line(error)}"
            ) from error
