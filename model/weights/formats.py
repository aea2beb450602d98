"""Reads checkpoints of every known form, and writes state dicts.

It reads what PyTorch saves (which needs torch), safetensors, `.npz`, and SavedModels of
ours and of the predecessor. The form is told by a file's content, not by its name, and
no code that a file may hold is run. It writes `.pth` (which needs torch) and `.npz`.
All tensors go by their official names.
"""

import dataclasses
import math
import zipfile
from pathlib import Path

import numpy as np
import safetensors
import tensorflow as tf

from configs.command.errors import StorageError
from configs.command.text import first_line
from configs.schema import Protocol
from model.hub.saved_model import local_directory
from model.weights.downloads import (
    known_as_zip,
    require_fetched,
    require_saved_model,
    unpacked_model,
)
from model.weights.families import to_official_names
from model.weights.names import HEAD_NAMES, official_names, to_official
from model.weights.outputs import require_checkpoint
from model.weights.predecessor import read_predecessor
from model.weights.protocol import PROTOCOL
from model.weights.pytorch import import_torch, read_torch, readable, unreadable
from model.weights.released import RELEASED
from model.weights.saved_model import load_handle
from model.weights.values import require_finite_floats, require_plain_names
from storage.archives import is_tar, require_sane_size, require_sane_zip
from storage.files import sha256, written_aside
from storage.trained_videos import TrainedVideos

# This file of a SavedModel holds a checksum of every tensor.
VARIABLES_INDEX = Path("variables", "variables.index")
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

    `class_names` are as the source gives them: `checked_class_names` says whether they
    can be used. `description` is that of a SavedModel of ours, otherwise empty.
    `protocol` is what is known of how the model is shown videos; `trained_videos` is
    None where it is not known on which videos it was trained.
    """

    tensors: dict[str, np.ndarray]
    class_names: tuple[str, ...] | None
    source: str
    sha256: str
    description: dict
    protocol: Protocol = Protocol()
    trained_videos: TrainedVideos | None = None

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
    require_checkpoint(path)
    if Path(path).is_file():
        require_sane_size(path)
    if Path(path).is_file() and not is_tar(path):
        tensors, class_names, protocol = read_file(Path(path))
        require_plain_names(tensors, path)
        tensors = to_official_names(tensors, Path(path).name)
        require_finite_floats(tensors, path)
        return OfficialWeights(
            tensors=tensors,
            class_names=class_names,
            source=Path(path).name,
            sha256=sha256(path),
            description={},
            protocol=protocol,
        )
    require_saved_model(path)
    directory = local_directory(unpacked_model(path))
    handle = load_handle(directory)
    tensors = read_ours(handle) if handle else read_predecessor(directory)
    require_finite_floats(tensors, path)
    return OfficialWeights(
        tensors=tensors,
        class_names=handle and handle.class_names,
        source=Path(path).name,
        sha256=sha256(directory / VARIABLES_INDEX),
        description=handle.description if handle else {},
        protocol=handle.protocol if handle else Protocol(),
        trained_videos=handle and handle.trained_videos,
    )


def read_file(path):
    """Tensors, class names and `Protocol` of a file, by the form of its content."""
    with open(path, "rb") as file:
        start = file.read(64)
    require_fetched(path, start)
    if start[:2] == b"PK":
        with readable(path):
            members = require_sane_zip(path)
        if members and all(name.endswith(".npy") for name in members):
            return read_npz(path, members), None, Protocol()
        if any(name.endswith("/constants.pkl") for name in members):
            raise unreadable(path, "it is a TorchScript program, not a state dict")
        return read_torch(path)
    if start[8:9] == b"{":
        return read_safetensors(path), None, Protocol()
    with known_as_zip(path):
        return read_torch(path)


def read_npz(path, members):
    """Arrays of a `.npz` file; pickled ones are refused.

    Args:
        path: the file.
        members: its `zipfile.ZipInfo` by name.
    """
    with readable(path):
        with zipfile.ZipFile(path) as archive:
            for name, member in members.items():
                require_honest_header(archive, name, member.file_size)
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)


def require_honest_header(archive, name, size):
    """Raises ValueError unless an array is as large as its header says."""
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            header = np.lib.format.read_array_header_1_0(file)
        else:
            header = np.lib.format.read_array_header_2_0(file)
        shape, _, dtype = header
        values = size - file.tell()
    claimed = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or claimed != values:
        raise ValueError(
            f"{name} says it is {dtype} {list(shape)}, {claimed} bytes, and holds "
            f"{values}"
        )


def read_safetensors(path):
    """Arrays of a safetensors file, which holds nothing but values."""
    with readable(path):
        entries = safetensors.deserialize(path.read_bytes())
    for name, entry in entries:
        if entry["dtype"] not in SAFETENSORS_TYPES:
            raise unreadable(
                path,
                f"{name} must be of one of the types {', '.join(SAFETENSORS_TYPES)}; "
                f"it is {entry['dtype']}",
            )
    with readable(path):
        return {
            # Not by the library's own reader for NumPy, which knows no bfloat16.
            name: np.frombuffer(
                entry["data"], SAFETENSORS_TYPES[entry["dtype"]]
            ).reshape(entry["shape"])
            for name, entry in entries
        }


def read_ours(handle):
    """Tensors of a SavedModel of ours, its head's included."""
    names = official_names(handle.architecture["depths"]) | HEAD_NAMES
    weights = handle.weights()
    for name, value in (handle.head() or {}).items():
        weights[f"head/{name}"] = value
    return {names[path]: to_official(path, value) for path, value in weights.items()}


def write_state_dict(output, tensors, class_names, protocol=None):
    """Writes official tensors as a file that appears whole or not at all.

    Args:
        output: a path ending in one of STATE_DICTS; there must be no such file.
        tensors: by official name.
        class_names: of the head; None where they are not known. `.npz` keeps none.
        protocol: `Protocol.known` of the model. `.npz` keeps none.

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
        meta = {"CLASSES": class_names, PROTOCOL: protocol or {}}
        try:
            torch.save({"state_dict": state, "meta": meta}, file)
        except RuntimeError as error:  # All that PyTorch says of a full disk.
            raise StorageError(
                f"{output} could not be written (is the disk full?): "
                f"{first_line(error)}"
            ) from error
