"""What lies beside the graph of a SavedModel of ours, checked when it is read."""

import dataclasses
import json
import math
import zipfile
from typing import Annotated

import msgspec
import numpy as np

from configs.command.errors import ConfigError
from configs.command.text import first_line
from configs.schema.model import ARCHITECTURE
from storage.records import Text, check

WRITTEN = "must be as model.convert or export.py wrote it"

Size = Annotated[int, msgspec.Meta(ge=1, le=2**16)]
Stages = Annotated[list[Size], msgspec.Meta(min_length=1, max_length=16)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
    """What a Video Swin is; see `configs.schema.Model`."""

    embed_dim: Size
    depths: Stages
    num_heads: Stages
    window_size: tuple[Size, Size, Size]
    patch_size: tuple[Size, Size, Size]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """What a released model was trained on and reached."""

    dataset: str
    pretraining: str
    top1: float
    top5: float
    views: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Description:
    """What model.json holds of a native model, as far as it is read again."""

    architecture: Architecture
    clip: tuple[Size, Size, Size]
    class_names: Annotated[list[Text], msgspec.Meta(min_length=1)] | None
    name: str = ""
    drop_path_rate: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    licence: str = ""
    origin: str = ""
    source: str = ""
    source_sha256: str = ""
    training: Training | None = None


def read_description(path):
    """Reads model.json.

    Args:
        path: the file.

    Returns:
        Its content as a dict; empty where there is none, or where it describes no
        native model.

    Raises:
        ConfigError: it is damaged, or of another form than this version writes; the
            error names the field.
    """
    try:
        if not path.is_file():
            return {}
        # Not `decode`: a class may be named by bytes that are no text.
        description = json.loads(path.read_bytes().decode())
        check(description, dict)
        architecture = description.get("architecture")
        if architecture is None:
            return {}
        if isinstance(architecture, dict) and set(architecture) != set(ARCHITECTURE):
            raise ConfigError(
                f"{path} must describe an architecture by {', '.join(ARCHITECTURE)}; "
                f"received {', '.join(architecture)}. Convert the checkpoint again "
                "with python -m model.convert."
            )
        check(description, Description)
    except ConfigError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} {WRITTEN}; it is damaged: {error}.") from None
    return description


def read_head(path, *, features, class_names):
    """Reads head.npz.

    Args:
        path: the file.
        features: C, which the architecture gives.
        class_names: of the classes; None where they are not known.

    Returns:
        Dict of `kernel` float [C, classes] and `bias` float [classes], finite; None
        where there is no such file.

    Raises:
        ConfigError: it is damaged, or of other types or shapes; the error names the
            array.
    """
    if not path.is_file():
        return None
    classes = None if class_names is None else len(class_names)
    try:
        with zipfile.ZipFile(path) as archive:
            (classes,) = _require(archive, "bias", (classes,))
            _require(archive, "kernel", (features, classes))
        with np.load(path) as arrays:
            head = {name: arrays[name] for name in ("kernel", "bias")}
        for name, values in head.items():
            if not np.all(np.isfinite(values)):
                raise ValueError(f"{name} must be finite")
    # NumPy and the zip library check little: a changed byte may end in any error.
    except Exception as error:
        raise ConfigError(
            f"{path} {WRITTEN}; it is damaged: {first_line(error)}."
        ) from None
    return head


def _require(archive, name, expected):
    """Checks type, shape and size of an array before it is allocated.

    Args:
        archive: an open `.npz`.
        name: of the array.
        expected: its shape; None is any size.

    Returns:
        Its shape.
    """
    with archive.open(f"{name}.npy") as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    fits = len(shape) == len(expected) and all(
        theirs in (None, mine) for mine, theirs in zip(shape, expected, strict=True)
    )
    if dtype != np.float32 or not fits:
        sizes = ", ".join("any" if size is None else str(size) for size in expected)
        raise ValueError(
            f"{name} must be float32 [{sizes}], received {dtype} {list(shape)}"
        )
    stored = archive.getinfo(f"{name}.npy").compress_size
    if min(shape) < 1 or math.prod(shape) * dtype.itemsize > stored:
        raise ValueError(f"{name} {list(shape)} does not lie in {stored} bytes")
    return shape
