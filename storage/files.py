"""Files and folders that appear whole or not at all, and their hashes."""

import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
import uuid
from pathlib import Path

from configs.command.errors import ConfigError, StorageError
from storage.lock import claim_of, claimed, hold, is_signed, release
from storage.records import check

# Unique wherever the folder is mounted: process ids repeat from host to host. The mark
# tells what is ours from a user's files, whose names may end in any number.
MARK = "video-swin-"
ASIDE = ".{name}.{token}.tmp"
LEFT = re.compile(rf"\.(?P<name>.+)\.(?P<token>{MARK}[0-9a-f]{{32}}|[0-9]+)\.tmp")
SAMPLE = 1 << 16  # bytes
# How an error begins that names a file of a run which is missing or damaged.
MUST_BE_UNCHANGED = "must be as the run wrote it (put a good copy back)"


@contextlib.contextmanager
def written_aside(target):
    """Yields a path beside `target` that becomes `target` once the body has succeeded.

    Whatever the body leaves there, a file or a folder, is synced to the disk and then
    moved in one step: a reader, or a crash, sees all of it or nothing. When the body
    fails nothing stays behind; what a killed process leaves, the next one that writes
    to the same folder removes.

    Args:
        target: the path; the folder that it lies in is made if need be.

    Raises:
        ConfigError: `target` exists.
        LockedError: another process is writing it.
        StorageError: it could not be written.
    """
    target = Path(target)
    _refuse(target)
    aside = _aside(target)
    try:
        _make_folder(target.parent)
        # Before the claim, behind which what is left of this target would seem alive.
        _clear_dead(target.parent)
        with claimed(target):
            try:
                yield aside
                sync_tree(aside)
                _refuse(target)
                os.replace(aside, target)
                sync(target.parent)
            finally:
                remove(aside)
    except OSError as error:
        raise StorageError(f"{target} could not be written: {error}.") from error


def write_atomically(path, content):
    """Replaces a file so that a reader, or a crash, sees the old or the new one whole.

    Args:
        path: the file.
        content: its text, which becomes UTF-8, or its bytes. What is no text in a
            file's name becomes an escape such as \\udcff, which JSON reads back.

    Raises:
        StorageError: it could not be written; the old one is untouched.
    """
    write_together(path.parent, {path.name: content})


def write_together(folder, contents):
    """Replaces files that belong together, the last of which speaks for the others.

    All are on the disk before the first is replaced. The last one is away meanwhile: a
    reader, or a crash, that finds it finds the others as they were written with it.

    Args:
        folder: in which they lie; made if need be.
        contents: file name -> text, which becomes UTF-8, or bytes. What is no text in
            the name of a file becomes an escape such as \\udcff. None removes a file
            that must not stay beside the new ones; it cannot be the last.

    Raises:
        StorageError: they could not be written; the old ones are untouched.
    """
    folder = Path(folder)
    asides = {}
    written = {name: c for name, c in contents.items() if c is not None}
    try:
        _make_folder(folder)
        for name, content in written.items():
            _clear_dead(folder, name)
            aside, lock = _open_aside(folder / name)
            asides[aside] = lock
            _fill(lock, content)
        *others, last = contents
        if others and (folder / last).exists():
            (folder / last).unlink()
            sync(folder)
        for name in contents.keys() - written:
            (folder / name).unlink(missing_ok=True)
        for aside, name in zip(asides, written, strict=True):
            os.replace(aside, folder / name)
        sync(folder)
    except OSError as error:
        names = ", ".join(str(folder / name) for name in contents)
        raise StorageError(f"{names} could not be written: {error}.") from error
    finally:
        for aside, lock in asides.items():
            release(lock, aside)


def sampled_key(file):
    """Size in bytes and a hash of samples of a file: "12345-0123456789abcdef".

    The samples are 64 KiB each of its beginning, middle and end.

    Args:
        file: opened for reading bytes.
    """
    size, digest = file.seek(0, os.SEEK_END), hashlib.sha256()
    for start in (0, max(size // 2 - SAMPLE // 2, 0), max(size - SAMPLE, 0)):
        file.seek(start)
        digest.update(file.read(SAMPLE))
    return f"{size}-{digest.hexdigest()[:16]}"


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
    folder = Path(folder)
    for path in _asides(folder):
        if owns(_target(path).name):
            remove(path)
    for path in folder.glob(claim_of(folder / "*").name):
        if owns(path.name[1:].rpartition(".")[0]):
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


def _refuse(target):
    if target.exists():
        raise ConfigError(f"The output must not exist yet; received {str(target)!r}.")


def _aside(path):
    """A path beside another, which no other process uses."""
    return path.with_name(ASIDE.format(name=path.name, token=MARK + uuid.uuid4().hex))


def _asides(folder, name="*"):
    """What processes are, or were, writing to a folder, or removing from it."""
    paths = Path(folder).glob(ASIDE.format(name=name, token="*"))
    return [path for path in paths if LEFT.fullmatch(path.name)]


def _target(aside):
    """The path that something written aside was to have."""
    return aside.with_name(LEFT.fullmatch(aside.name)["name"])


def _open_aside(path):
    """A new file beside a path, and the descriptor that locks it."""
    while True:
        aside = _aside(path)
        lock = hold(aside)
        if lock is not None:  # Otherwise another process takes it for a dead one's.
            return aside, lock


def _fill(descriptor, content):
    if isinstance(content, str):
        content = content.encode("utf-8", "backslashreplace")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.fsync(descriptor)


def _clear_dead(folder, name="*"):
    """Removes what processes that are no more were writing to a folder.

    A live one holds the lock of the file that it writes, or the claim of its target.
    What cannot be locked is left alone.
    """
    pattern = name if name == "*" else glob.escape(name)
    for aside in _asides(folder, pattern):
        # Earlier versions named it by a process id and locked nothing.
        if LEFT.fullmatch(aside.name)["token"].startswith(MARK):
            _remove_unless_held(aside, claim_of(_target(aside)), aside)
    for claim in folder.glob(claim_of(folder / pattern).name):
        with contextlib.suppress(OSError):
            if is_signed(claim.read_bytes()):
                _remove_unless_held(claim, claim)


def _remove_unless_held(path, *locks):
    """Removes what is left of a process unless one holds one of these files' locks."""
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        for file in filter(Path.is_file, locks):
            lock = hold(file, required=True)
            if lock is None:
                return
            stack.callback(release, lock, file)
        remove(path)


def _make_folder(path):
    """Creates a folder, and those that it lies in, so that they survive a crash."""
    if not path.is_dir():
        _make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)
