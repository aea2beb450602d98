"""The file that remembers what videos hold, so that each is decoded whole only once."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

from absl import logging

from data.source import Video

NAME = "video_scan.json"
VERSION = 1


class Manifest:
    """What is known about the videos of one directory.

    Kept in the directory, or in the user's cache where that is read-only. Entries are
    keyed by path and hold for the size and modification time they were made with.
    """

    def __init__(self, root):
        """Reads what is there; a damaged manifest counts as none."""
        self._root = os.path.abspath(root)
        self.places = places(self._root, NAME)
        self._entries = {}  # path below the directory -> (state of the file, Video)
        for place in self.places:
            self._entries |= _load(place)

    def get(self, path):
        """`Video` of a file that has not changed since it was scanned, else None."""
        state, video = self._entries.get(self._key(path), (None, None))
        return video if state == _state(path) else None

    def put(self, path, video):
        """Remembers what a file holds as it is now."""
        self._entries[self._key(path)] = _state(path), video

    def save(self):
        """Writes the manifest to the first place that can be written."""
        videos = {
            key: {"file": state, "video": dataclasses.asdict(video)}
            for key, (state, video) in self._entries.items()
        }
        write_first(
            self.places, json.dumps({"version": VERSION, "videos": videos}, indent=0)
        )

    def _key(self, path):
        return os.path.relpath(path, self._root)


def places(root, name):
    """Where a file about a directory may lie: in it, or in the user's cache."""
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    cached = Path(cache, "video-swin-finetuning", digest, name)
    return (cached,) if "://" in root else (Path(root, name), cached)


def write_first(candidates, text):
    """Writes a file to the first place that can be written, whole or not at all."""
    for place in candidates:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            new = place.with_name(f"{place.name}.{os.getpid()}")
            new.write_text(text)
            new.replace(place)
            return
        except OSError as error:
            problem = error
    logging.warning("The scan cannot be kept (%s) and will be repeated.", problem)


def _state(path):
    """Size in bytes and modification time; None for a file that is gone."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _load(place):
    """Entries of a manifest, none if it is absent, damaged or of another version."""
    try:
        content = json.loads(place.read_text())
        if content["version"] != VERSION:
            return {}
        return {
            key: (entry["file"], Video(**entry["video"]))
            for key, entry in content["videos"].items()
        }
    except OSError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        logging.warning("%s is damaged (%s): scanning again.", place, error)
        return {}
