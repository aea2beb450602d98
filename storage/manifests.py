"""Manifests: the size and SHA-256 of every file of a folder, as JSON."""

import dataclasses
import json
from pathlib import PurePosixPath
from typing import Annotated

import msgspec

from storage.files import sha256
from storage.records import Count, decode


@dataclasses.dataclass(frozen=True)
class File:
    """What a manifest says of a file."""

    bytes: Count
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


def to_manifest(folder, names):
    """The manifest of files, as JSON text.

    Args:
        folder: the path.
        names: of the files, as paths below the folder.
    """
    files = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)}
        for name in sorted(names)
    }
    return json.dumps(files, indent=2)


def read_manifest(path):
    """Reads a manifest: name -> `File`.

    Raises:
        OSError: there is none, or it cannot be read.
        ValueError: it is damaged, or a name leads out of its folder.
    """
    try:
        files = decode(path.read_bytes(), dict[str, File])
    except ValueError as error:
        raise ValueError(f"{path.name} is damaged: {error}") from None
    for name in files:
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or "\0" in name:
            raise ValueError(f"{path.name} names {name!r}, which is not in its folder")
    return files


def difference(folder, files):
    """How files differ from their manifest, or None where each is as it says.

    Args:
        folder: the path.
        files: name -> `File`.

    Raises:
        OSError: a file is missing or cannot be read.
    """
    for name, file in files.items():
        path = folder / name
        size = path.lstat().st_size
        if path.is_symlink():
            return f"{name} is a link"
        if size != file.bytes:
            return f"{name} has {size} of {file.bytes} bytes"
        if sha256(path) != file.sha256:
            return f"{name} does not match its SHA-256"
    return None
