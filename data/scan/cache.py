"""The file that remembers what videos hold, so that each is decoded whole only once."""

import dataclasses
import functools
import hashlib
import json
import os
import stat
from pathlib import Path

from absl import logging

from configs.command.errors import StorageError
from data.decoding.versions import decoder_versions
from data.scan.video import Count, Video
from storage.files import write_atomically
from storage.private import user_cache
from storage.records import decode
from storage.text import escaped

SCAN_FILE = "video_scan.json"
# Of the rules by which a scan judges; with others, or with other decoders, the files
# are decoded again.
RULES = 3


@dataclasses.dataclass(frozen=True)
class Entry:
    """What is known about one file.

    Attributes:
        file: size in bytes and modification time in nanoseconds when it was scanned.
        video: what it held.
    """

    file: tuple[Count, int]
    video: Video


@dataclasses.dataclass(frozen=True)
class Content:
    """The content of the file.

    Attributes:
        by: what it was made by, see `judges`.
        videos: path below the directory -> `Entry`.
    """

    by: dict[str, str]
    videos: dict[str, Entry]


@functools.cache
def judges():
    """The versions of everything that a verdict on a video depends on."""
    return {"rules": str(RULES), **decoder_versions()}


class ScanCache:
    """What is known about the videos of one directory.

    It is kept in the directory, or in the user's cache folder where the directory is
    read-only. An entry is keyed by the file's path below the directory, and is valid
    for the size and modification time that the file had when it was scanned, and for
    the decoders that scanned it. What another user has written is not believed.

    Attributes:
        paths: where the file may lie, the preferred path first.
    """

    def __init__(self, root):
        """Reads what is there; a damaged file counts as none.

        Args:
            root: the directory.
        """
        self._root = os.path.abspath(root)
        self.paths = candidate_paths(self._root, SCAN_FILE)
        self._entries = {}  # see `Content.videos`
        for path in self.paths:
            content = load_own(path, Content)
            if content and content.by == judges():
                self._entries |= content.videos

    def get(self, path):
        """`Video` of a file that has not changed since it was scanned, else None."""
        entry = self._entries.get(self._key(path))
        return entry.video if entry and entry.file == state_of(path) else None

    def put(self, path, video, *, state):
        """Remembers what a file holds, unless it has changed meanwhile.

        Args:
            path: of the file.
            video: `Video`, what was found in it.
            state: `state_of` the file before it was looked at.
        """
        if state is not None and state == state_of(path):
            self._entries[self._key(path)] = Entry(state, video)

    def save(self):
        """Writes everything to the first path that can be written."""
        content = dataclasses.asdict(Content(judges(), self._entries))
        write_first(self.paths, json.dumps(content, indent=0))

    def _key(self, path):
        """A path below the directory as text that is Unicode whatever bytes it has."""
        return escaped(os.path.relpath(path, self._root))


def candidate_paths(root, name):
    """Where a file about a directory may lie: in it, or in the user's cache folder.

    Args:
        root: the directory, or a URL, in which nothing can be written.
        name: of the file.

    Returns:
        tuple of `Path`, the preferred one first.
    """
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    cached = user_cache(digest) / name
    return (cached,) if "://" in root else (Path(root, name), cached)


def write_first(paths, text):
    """Writes a file, whole or not at all, to the first path that can be written.

    Args:
        paths: of `candidate_paths`.
        text: content of the file.
    """
    problem = "another user's file is there"
    for path in paths:
        if _is_of_another_user(path):
            continue
        try:
            write_atomically(path, text)
            return
        except StorageError as error:
            problem = error
    logging.warning("The scan cannot be kept (%s) and will be repeated.", problem)


def load_own(path, form):
    """Reads a file that this user has written here before.

    Args:
        path: of `candidate_paths`.
        form: the type of its content, see `storage.records.decode`.

    Returns:
        A value of the type; None where the file is absent, damaged or another user's.
    """
    try:
        if _is_of_another_user(path):
            logging.warning(
                "%s is another user's, or anyone may write it: scanning again.", path
            )
            return None
        return decode(path.read_bytes(), form)
    except OSError:
        return None
    except ValueError as error:
        logging.warning("%s is damaged (%s): scanning again.", path, error)
        return None


def _is_of_another_user(path):
    """Whether another user could have written a file: what it says may be wrong."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return status.st_uid != os.geteuid() or bool(status.st_mode & stat.S_IWOTH)


def state_of(path):
    """Size in bytes and modification time; None for a file that is gone."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
