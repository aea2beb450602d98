"""SavedModels that were unpacked or downloaded, kept in a folder of the user's own.

Whatever lies there may be run, so nobody else may put anything there, and what is found
there again is compared whole with the manifest that was written when it came: names,
sizes, SHA-256. It lies beside the folder that it describes.
"""

import contextlib
import math
import os
import re
import tarfile
from pathlib import Path

import tensorflow as tf
from absl import logging

from configs.command.errors import ConfigError
from model.hub.library import resolve, tfhub_cache_dir
from storage.archives import require_sane_size, unpack_tar
from storage.files import (
    clear_asides,
    remove,
    sha256,
    write_atomically,
    written_aside,
)
from storage.lock import locked
from storage.manifests import difference, read_manifest, to_manifest
from storage.private import private_folder, require_own, user_cache

ADVICE = "name a folder of your own by TFHUB_CACHE_DIR, or unset it for ~/.cache"
VARIABLE = "TFHUB_CACHE_DIR"
MANIFEST = ".manifest.json"
DIGEST = re.compile("[0-9a-f]{64}")


def cache_folder():
    """The folder of unpacked and downloaded models, checked to be the user's own.

    TFHUB_CACHE_DIR or --tfhub_cache_dir name it; otherwise it lies in XDG_CACHE_HOME,
    or in ~/.cache.

    Raises:
        ConfigError: it belongs to another user, others may write to it, or it is an
            address or in the home of nobody known.
        StorageError: it cannot be made.
    """
    named = tfhub_cache_dir(default_cache_dir="")
    path = os.path.expanduser(named) if named else str(user_cache("models"))
    if "://" in path or path.startswith("~"):
        raise ConfigError(
            f"{VARIABLE} must be a folder of this machine; received {named!r}: "
            f"{ADVICE}."
        )
    return private_folder(path, ADVICE)


def unpacked(archive):
    """Unpacks a tar file into the cache, once for each content.

    Args:
        archive: the path.

    Returns:
        The folder, whose content is that of the archive.

    Raises:
        ConfigError: it is no whole tar file of files and folders, or unpacks to far
            more than it is.
        StorageError: it could not be unpacked.
    """
    require_sane_size(archive)
    cache = cache_folder()
    directory = cache / sha256(archive)
    with locked(cache, wait=math.inf):
        clear_asides(cache, DIGEST.fullmatch)
        problem = damage(directory) if os.path.lexists(directory) else None
        if problem:
            logging.warning("%s is unpacked again: %s.", directory, problem)
            remove(directory)
        if not directory.exists():
            try:
                with written_aside(directory) as aside:
                    unpack_tar(archive, aside)
            except tarfile.TarError as error:
                raise ConfigError(
                    "model.handle must be a directory or a whole tar file; "
                    f"received {str(archive)!r}: {error}."
                ) from error
            seal(directory)
    return directory


def downloaded(address):
    """Downloads a model into the cache, once for each address.

    Args:
        address: as TF-Hub takes it.

    Returns:
        The folder.

    Raises:
        ConfigError: it cannot be downloaded, or what was downloaded earlier has changed
            since.
    """
    cache = cache_folder()
    with locked(cache, wait=math.inf):
        for path in cache.glob(f"*{MANIFEST}"):  # Of folders that the user removed.
            if not path.with_name(path.name.removesuffix(MANIFEST)).exists():
                remove(path)
    try:
        with _hub_cache(cache):
            directory = Path(resolve(address))
    except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
        raise ConfigError(
            "model.handle must be a path or an address that can be fetched; "
            f"received {address!r}: {error}"
        ) from error
    if cache not in directory.parents:
        return directory
    with locked(cache, wait=math.inf):
        if not manifest_of(directory).exists():
            # How open the library makes it depends on the umask; the cache is closed.
            require_own(directory, ADVICE, may_be_open=True)
            logging.info("%s is kept as %s.", address, directory)
            seal(directory)
        elif problem := damage(directory):
            raise ConfigError(
                f"model.handle must be as it was downloaded; {directory} is not: "
                f"{problem}. Remove it to download {address!r} again."
            )
    return directory


@contextlib.contextmanager
def _hub_cache(folder):
    """Makes the library keep what it downloads in a folder."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def manifest_of(directory):
    """The path of the manifest of a folder."""
    return directory.with_name(directory.name + MANIFEST)


def seal(directory):
    """Writes down every file of a folder, beside it."""
    text = to_manifest(directory, contents(directory))
    write_atomically(manifest_of(directory), text)


def damage(directory):
    """How a folder differs from its manifest, or None."""
    path = manifest_of(directory)
    try:
        require_own(directory, ADVICE, may_be_open=True)
        files = read_manifest(path)
        for name in sorted(files.keys() ^ contents(directory)):
            return f"{name} is {'missing' if name in files else 'not of it'}"
        return difference(directory, files)
    except FileNotFoundError:
        return f"{path.name} is missing"
    except (OSError, ValueError) as error:
        return str(error)


def contents(directory):
    """Paths below a folder, as a set, of everything that is no folder itself."""
    return {
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
