"""What `model.handle` may name; needs no TensorFlow."""

import os
import shlex
from pathlib import PurePath
from urllib.parse import urlsplit

from configs.command.errors import ConfigError
from storage.archives import is_tar

# Endings of weights that PyTorch, NumPy and others save, and how such files begin: zip
# files (PyTorch, NumPy), pickles (older PyTorch).
CHECKPOINTS = (
    *(".pth", ".pt", ".pyth", ".pkl", ".pickle", ".bin", ".ckpt"),
    *(".safetensors", ".npz"),
)
BEGINNINGS = (b"PK\x03\x04", b"\x80")


def check_handle(handle):
    """Refuses a handle that cannot be one, by a glance at it.

    Args:
        handle: `model.handle`, which is not empty.

    Raises:
        ConfigError: it is neither an existing path nor an address; or a checkpoint,
            which must be converted: the command is named.
    """
    text = str(handle)
    if "://" in text:
        path = urlsplit(text).path
        if path.lower().endswith(CHECKPOINTS):
            raise _unconverted(handle, "the address of", PurePath(path).name)
    elif not os.path.exists(handle):
        raise ConfigError(
            "model.handle must be a path or an address that can be fetched; "
            f"received {handle!r}, which is not there."
        )
    elif os.path.isdir(handle):
        names = _names_in(text)
        found = [name for name in names if name.lower().endswith(CHECKPOINTS)]
        if len(found) == 1 and "saved_model.pb" not in names:
            raise _unconverted(handle, "a folder with", os.path.join(text, found[0]))
    elif _is_checkpoint(text):
        raise _unconverted(handle, "the file of", text)


def _names_in(folder):
    try:
        return os.listdir(folder)
    except OSError:  # Whoever opens it will say so.
        return []


def _is_checkpoint(path):
    """Whether a file holds weights, by its content or its name, and is no tar file."""
    try:
        with open(path, "rb") as file:
            start = file.read(max(map(len, BEGINNINGS)))
    except OSError:
        return False
    named = path.lower().endswith(CHECKPOINTS)
    return not is_tar(path) and (named or start.startswith(BEGINNINGS))


def _unconverted(handle, what, checkpoint):
    """The error that names the command which makes a handle of a checkpoint."""
    name = PurePath(checkpoint).name
    while name.lower().endswith((*CHECKPOINTS, ".tar")):
        name = PurePath(name).stem
    output = shlex.quote(f"converted/{name}")
    first = "download it, then " if "://" in str(handle) else ""
    return ConfigError(
        f"model.handle must be a SavedModel; received {str(handle)!r}, {what} a "
        f"checkpoint: {first}python -m model.convert {shlex.quote(checkpoint)} "
        f"{output}, and --model.handle={output}."
    )
