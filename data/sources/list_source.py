"""Reads videos that lists name: `data.sources.list_formats` says in which forms."""

import collections
import os

from absl import logging

from configs.command.errors import DataError
from data.sources.base import Listing
from data.sources.class_lists import labels_of, read_class_list
from data.sources.files import open_files, scan_listings
from data.sources.list_formats import lists_of, read_video_list
from data.sources.tree import walk


def open_lists(data, *, after_video):
    """See `data.sources.open_source`."""
    return open_files(list_lists(data), _cache_folder(data), after_video=after_video)


def scan_lists(data, *, processes):
    """See `data.sources.scan_source`."""
    return scan_listings([list_lists(data)], _cache_folder(data), processes=processes)


def _cache_folder(data):
    """The folder in which the scan is remembered."""
    return data.root or os.path.dirname(os.path.abspath(next(iter(lists_of(data)))))


def list_lists(data):
    """Reads the lists of a data set and finds their files; logs how.

    Files that are not there are listed all the same: they count as videos that cannot
    be read, of which `data.max_bad_fraction` says how many there may be.

    Args:
        data: a `configs.schema.Data`.

    Returns:
        Listing.

    Raises:
        DataError: a list cannot be read or contradicts itself or another, or none of
            its files is there.
    """
    files = data.train_list, data.validation_list, data.test_list
    lists = [read_video_list(file) if file else None for file in files]
    entries = [videos.entries if videos else [] for videos in lists]
    known = read_class_list(data.class_list) if data.class_list else None
    class_names, labels = labels_of(entries, known)
    unplaced = next((v.file for v in lists if v and not v.names_files), None)
    index = _index(data.root, unplaced) if unplaced else None
    parts = []
    for videos, part_labels in zip(lists, labels, strict=True):
        paths = _find(videos, data.root, index) if videos else []
        part = zip(videos.entries if videos else (), part_labels, paths, strict=True)
        parts.append(list(part))
    entries = [entry for part in parts for entry in part]
    _refuse_repeated(entries)
    names = _names(entries)
    train, validation, test = (
        [(names[path], label, path) for _, label, path in part] for part in parts
    )
    if validation and not test:
        logging.warning(
            "There is no data.test_list: the videos of data.validation_list are tested "
            "on, and none is held out."
        )
        validation, test = [], validation
    listing = Listing.of_files(class_names, train, validation, test)
    listing.tell(data.root)
    return listing


def _index(root, file):
    """Dict of a file's name without its ending -> path, of all below the root."""
    if not root:
        raise DataError(
            f"data.root must name the folder of the videos, as {file} names none; "
            "received ''."
        )
    return {os.path.splitext(parts[-1])[0]: path for parts, path in walk(root)}


def _find(videos, root, index):
    """The paths of a list's videos, in order, whether they are there or not."""
    if not videos.names_files:
        paths = []
        for entry in videos.entries:
            youtube_id = entry.path[: -len("_000000_000000")]
            missing = os.path.join(root, f"{entry.path}.mp4")
            paths.append(index.get(entry.path) or index.get(youtube_id) or missing)
    else:
        bases = [root, os.path.dirname(os.path.abspath(videos.file))]
        bases = [base for base in bases if base]
        paths = [_resolve(entry.path, bases) for entry in videos.entries]
    missing = [path for path in paths if not os.path.exists(path)]
    if len(missing) == len(paths):
        raise DataError(
            f"None of the {len(paths)} videos of {videos.file} is there; the first was "
            f"looked for at {paths[0]}. data.root must be the folder in which its "
            f"paths begin; received {root!r}."
        )
    if missing:
        logging.warning(
            "%d of the %d videos of %s are not there; the first is %s.",
            len(missing),
            len(paths),
            videos.file,
            missing[0],
        )
    return paths


def _resolve(listed, bases):
    """Where a listed file lies: below the root, beside the list, or where it says."""
    places = [os.path.join(base, listed) for base in bases]
    if os.path.isabs(listed):  # Some lists write /train/a.mp4 for train/a.mp4.
        places += [os.path.join(base, listed.lstrip("/")) for base in bases]
    return next((place for place in places if os.path.exists(place)), places[0])


def _refuse_repeated(entries):
    """Refuses a file that is listed twice, in one list or in two."""
    seen = {}
    for entry, _, path in entries:
        other = seen.setdefault(os.path.realpath(path), entry)
        if other is not entry:
            raise DataError(
                f"{entry.location} names the same file as {other.location}: "
                f"{entry.path}. Each video must be listed once."
            )


def _names(entries):
    """Dict of path -> name: as it is listed, each once.

    Lists in two folders may mean two files by one name. Then all names are the paths
    below the folder that the files share.
    """
    counts = collections.Counter(entry.path for entry, _, _ in entries)
    if max(counts.values()) == 1:
        return {path: entry.path for entry, _, path in entries}
    shared = os.path.commonpath([os.path.abspath(path) for _, _, path in entries])
    return {path: os.path.relpath(path, shared) for _, _, path in entries}
