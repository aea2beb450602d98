"""Files and folders that appear whole or not at all, and their hashes."""

import contextlib
import hashlib
import json
import os
import shutil
from pathlib import Path

from configs.command.errors import ConfigError, StorageError
from storage.records import check

ASIDE = ".{name}.{process}.tmp"
# How an error begins that names a file of a run which is missing or damaged.
MUST_BE_UNCHANGED = "must be as the run wrote it (put a good copy back)"


@contextlib.contextmanager
def written_aside(target, *, replace=False):
    """Yields a path beside `target` that becomes `target` once the body has succeeded.

    Whatever the body leaves there, a file or a folder, is synced to the disk and then
    moved in one step: a reader, or a crash, sees the old or the new one whole. When the
    body fails, the old one is untouched and nothing stays behind.

    Args:
        target: the path; the folder that it lies in is made if need be.
        replace: whether `target`, which must be a file then, may exist already.

    Raises:
        ConfigError: `target` exists and may not.
        StorageError: it could not be written.
    """
    target = Path(target)
    if not replace and target.exists():
        raise ConfigError(f"The output must not exist yet; received {str(target)!r}.")
    aside = _aside(target)
    try:
        _make_folder(target.parent)
        yield aside
        sync_tree(aside)
        os.replace(aside, target)
        sync(target.parent)
    except OSError as error:
        raise StorageError(f"{target} could not be written: {error}.") from error
    finally:
        remove(aside)


def write_atomically(path, content):
    """Replaces a file so that a reader, or a crash, sees the old or the new one whole.

    Args:
        path: the file.
        content: its text, which becomes UTF-8, or its bytes. What is no text in a
            file's name becomes an escape such as \\udcff, which JSON reads back.

    Raises:
        StorageError: it could not be written; the old one is untouched.
    """
    with written_aside(path, replace=True) as aside:
        if isinstance(content, str):
            content = content.encode("utf-8", "backslashreplace")
        aside.write_bytes(content)


def remove_atomically(path):
    """Removes a folder so that a crash leaves it whole or not at all.

    Args:
        path: the folder.

    Raises:
        OSError: it cannot be removed.
    """
    aside = _aside(path)
    os.rename(path, aside)
    shutil.rmtree(aside)


def clear_asides(folder, owns):
    """Removes what killed processes were writing to a folder, or removing from it.

    Only where this process is the single writer of the names that are owned: files of
    the user, and what others write to the same folder, must stay.

    Args:
        folder: the path.
        owns: a function that says whether this process owns a name in the folder.
    """
    for path in Path(folder).glob(ASIDE.format(name="*", process="*")):
        name, _, process = path.name[1:].removesuffix(".tmp").rpartition(".")
        if process.isdecimal() and owns(name):
            remove(path)


def remove(path):
    """Removes a file or a folder if it is there and can be removed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def sync(path):
    """Writes a file's content, or the names in a folder, from memory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(path):
    """Writes a file, or a folder with everything below it, from memory to the disk."""
    if path.is_dir():
        for entry in path.iterdir():
            sync_tree(entry)
    sync(path)


def sha256(path):
    """The SHA-256 of a file as hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_json(path, form=dict):
    """The dict in a JSON file of ours; empty where there is no file.

    Args:
        path: the file.
        form: the type that it must be of; see `storage.records`. Numbers may be NaN
            where their range allows it.

    Raises:
        ConfigError: the file cannot be read or holds something else.
    """
    try:
        value = json.loads(path.read_bytes().decode())
        check(value, form)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path} {MUST_BE_UNCHANGED}; it is damaged: {error}."
        ) from None
    return value


def _aside(path):
    """A path beside another, which no other process uses."""
    return path.with_name(ASIDE.format(name=path.name, process=os.getpid()))


def _make_folder(path):
    """Creates a folder, and those that it lies in, so that they survive a crash."""
    if not path.is_dir():
        _make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)
