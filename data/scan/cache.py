"""The file that remembers what videos hold, so that each is decoded whole only once."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

from absl import logging

from configs.command.errors import StorageError
from data.scan.video import Video
from storage.files import write_atomically

SCAN_FILE = "video_scan.json"
VERSION = 2


class ScanCache:
    """What is known about the videos of one directory.

    It is kept in the directory, or in the user's cache folder where the directory is
    read-only. An entry is keyed by the file's path below the directory, and is valid
    for the size and modification time that the file had when it was scanned.

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
        self._entries = {}  # path below the directory -> (state of the file, Video)
        for path in self.paths:
            self._entries |= _load(path)

    def get(self, path):
        """`Video` of a file that has not changed since it was scanned, else None."""
        state, video = self._entries.get(self._key(path), (None, None))
        return video if state == _state(path) else None

    def put(self, path, video):
        """Remembers what a file holds in its present state."""
        self._entries[self._key(path)] = _state(path), video

    def save(self):
        """Writes everything to the first path that can be written."""
        videos = {
            key: {"file": state, "video": dataclasses.asdict(video)}
            for key, (state, video) in self._entries.items()
        }
        write_first(
            self.paths, json.dumps({"version": VERSION, "videos": videos}, indent=0)
        )

    def _key(self, path):
        return os.path.relpath(path, self._root)


def candidate_paths(root, name):
    """Where a file about a directory may lie: in it, or in the user's cache folder.

    Args:
        root: the directory, or a URL, in which nothing can be written.
        name: of the file.

    Returns:
        tuple of `Path`, the preferred one first.
    """
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    cached = Path(cache, "video-swin-finetuning", digest, name)
    return (cached,) if "://" in root else (Path(root, name), cached)


def write_first(paths, text):
    """Writes a file, whole or not at all, to the first path that can be written.

    Args:
        paths: of `candidate_paths`.
        text: content of the file.
    """
    for path in paths:
        try:
            write_atomically(path, text)
            return
        except StorageError as error:
            problem = error
    logging.warning("The scan cannot be kept (%s) and will be repeated.", problem)


def _state(path):
    """Size in bytes and modification time; None for a file that is gone."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _load(path):
    """Entries of a cache file; none if it is absent, damaged or of another version."""
    try:
        content = json.loads(path.read_text())
        if content["version"] != VERSION:
            return {}
        return {
            key: (entry["file"], Video(**entry["video"]))
            for key, entry in content["videos"].items()
        }
    except OSError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        logging.warning("%s is damaged (%s): scanning again.", path, error)
        return {}
