"""What a download may be instead of the checkpoint itself, told in one line."""

import contextlib
import zipfile
from pathlib import Path

from configs.command.errors import ConfigError
from model.hub.cache import unpacked
from model.weights.pytorch import unreadable
from storage.archives import compression

# What a download leaves behind that did not fetch the file itself, by its first bytes.
NOT_FETCHED = {
    b"version https://git-lfs": "a pointer of Git LFS: git lfs pull fetches the file",
    b"<!doctype html": "a web page, not the file that it offers",
    b"<html": "a web page, not the file that it offers",
}


def require_fetched(path, start):
    """Raises ConfigError for what is not the file itself, or is it compressed.

    Args:
        path: the file.
        start: its first 64 bytes.
    """
    for beginning, what in NOT_FETCHED.items():
        if start.lower().startswith(beginning):
            raise unreadable(path, f"it is {what}")
    if compression(path):
        raise unreadable(path, "it is compressed: unpack it first")


@contextlib.contextmanager
def known_as_zip(path):
    """Says of a file that cannot be read if it is a zip file behind other bytes.

    Only then: other files may hold by chance what a zip file ends with.
    """
    try:
        yield
    except ConfigError:
        if zipfile.is_zipfile(path):
            what = "other bytes stand before the zip file that it is"
            raise unreadable(path, what) from None
        raise


def require_saved_model(path):
    """Raises ConfigError for a folder that holds weights and is no SavedModel."""
    endings = ("*.safetensors", "*.bin", "*.pth", "*.pt", "*.ckpt", "*.npz")
    weights = [file.name for ending in endings for file in Path(path).glob(ending)]
    if weights and not Path(path, "saved_model.pb").exists():
        raise ConfigError(
            f"The checkpoint must be a file or a SavedModel; {str(path)!r} is a folder "
            f"with {', '.join(sorted(weights)[:5])}: name one of them."
        )


def unpacked_model(path):
    """The folder of a tar file; what is none stays.

    Raises:
        ConfigError: the tar file holds weights and no SavedModel.
    """
    if not Path(path).is_file():
        return path
    directory = unpacked(Path(path))
    if not (directory / "saved_model.pb").is_file():
        names = sorted(file.name for file in directory.rglob("*") if file.is_file())
        raise ConfigError(
            "The checkpoint must be a file of weights or a SavedModel (a directory "
            f"with saved_model.pb, or a tar file of one); {str(path)!r} is a packed "
            f"file of {', '.join(names[:5]) or 'nothing'}: unpack it first and name "
            "what holds the weights."
        )
    return directory
