"""Reads a folder of class folders of videos: the form in which people have their own.

    root/cooking/monday/a.mp4 …     any depth below a class, any names and containers

The split is drawn once and kept in root/split.csv (`data.sources.frozen_split`), unless
it is there already:

    root/train/cooking/a.mp4 …   root/val/cooking/b.mp4 …   root/test/cooking/c.mp4 …
"""

import collections
import os
from pathlib import Path

from absl import logging

from configs.command.errors import DataError, StorageError
from data.sources.base import Listing
from data.sources.files import open_files, scan_files
from data.sources.frozen_split import (
    GROUPS_FILE,
    SPLIT_FILE,
    SPLITS,
    Row,
    frozen_split,
    read_groups,
    read_split,
    tell_gone,
    to_csv,
    write_split,
)
from data.sources.tree import find_videos
from data.sources.ucf101_layout import has_lists
from storage.text import unescaped


def open_folder(data, *, after_video, keep_split=True, run_split=None):
    """See `data.sources.open_source`."""
    listing = list_folder(data, keep_split=keep_split, run_split=run_split)
    return open_files(listing, data.root, after_video=after_video)


def scan_folder(data, *, processes):
    """See `data.sources.scan_source`; draws no split."""
    names = {video.path: video.name for video in find_videos(data.root)}
    return scan_files(names, data.root, processes=processes)


def list_folder(data, *, keep_split=True, run_split=None, find=find_videos):
    """Lists the videos of a folder and divides them; logs how.

    Args:
        data: a `configs.schema.Data`.
        keep_split: see `data.sources.open_source`.
        run_split: see there.
        find: a function of the root that returns its list of `data.sources.tree.Found`.

    Returns:
        Listing.

    Raises:
        DataError: the folder has no classes, or too few videos, or contradicts the file
            of its split.
        StorageError: the split cannot be kept.
    """
    videos = find(data.root)
    as_they_are = bool(videos[0].split)
    path, new = run_split and Path(run_split), 0
    if run_split:
        rows = _rows_of_run(videos, path)
    elif as_they_are:
        path = "its folders"
        rows = {v.name: Row(v.name, v.class_name, v.split, v.name) for v in videos}
    else:
        path, rows, new = _drawn(videos, data)
    class_names = sorted({row.class_name for row in rows.values()})
    parts = _parts(rows, class_names, {v.name: v.path for v in videos}, data.root)
    if not parts["test"] and as_they_are:
        _test_on_validation(parts)
    _check_classes(parts, class_names, data.root, path)
    if new:  # What is refused is not kept.
        _keep(path, rows, new, keep_split)
    drawn = not (run_split or as_they_are)
    recordings = {row.video: row.group for row in rows.values()} if drawn else None
    listing = Listing.of_files(class_names, **parts, recordings=recordings)
    listing.tell(data.root, by=path)
    return listing


def _drawn(videos, data):
    """Path of the split's file, the rows of all videos, and how many are new there."""
    if has_lists(data.root, data.split):
        logging.warning(
            "%s has UCF101's lists, which data.source=%s does not use: "
            "data.source=ucf101 does.",
            data.root,
            data.source,
        )
    path = Path(data.split_file or Path(data.root, SPLIT_FILE))
    groups = read_groups(Path(data.root, GROUPS_FILE), videos)
    fractions = {"validation": data.validation_fraction, "test": data.test_fraction}
    return path, *frozen_split(videos, path, groups, fractions)


def _rows_of_run(videos, path):
    """The split with which a run has begun; it uses no video that was added since."""
    rows = read_split(path)
    tell_gone(rows, videos, path)
    added = sorted(video.name for video in videos if video.name not in rows)
    if added:
        logging.warning(
            "%d videos were added since the run began, and it does not use them; the "
            "first is %s. --init_from begins a run that does.",
            len(added),
            added[0],
        )
    return rows


def _parts(rows, class_names, paths, root):
    """Dict of split -> list of (name, label, path)."""
    parts = {split: [] for split in SPLITS}
    labels = {name: label for label, name in enumerate(class_names)}
    for name, row in sorted(rows.items()):
        path = paths.get(name) or os.path.join(root, unescaped(name))
        parts[row.split].append((name, labels[row.class_name], path))
    return parts


def _test_on_validation(parts):
    logging.warning(
        "The folder has no test videos: those of the validation split are tested on, "
        "and none is held out."
    )
    parts["test"], parts["validation"] = parts["validation"], []


def _keep(path, rows, new, keep):
    """Writes the split to its file, unless it is only to be looked at."""
    if not keep:
        logging.info(
            "%s is not written now: %d videos are drawn alike by the run.", path, new
        )
        return
    try:
        write_split(path, rows.values())
    except StorageError as error:
        raise StorageError(
            f"The split must be kept, so that it stays the same: {error} "
            "--data.split_file=PATH keeps it elsewhere."
        ) from None


def split_of(listing):
    """The split of a listing as the text of a file, for the run that goes on with it.

    Each video is a group of its own there, as nothing is drawn by that file.

    Args:
        listing: a `Listing` of this module.
    """
    rows = []
    for split, part in zip(SPLITS, listing.parts, strict=True):
        for i in part:
            name, class_name = listing.names[i], listing.class_names[listing.labels[i]]
            rows.append(Row(name, class_name, split, name))
    return to_csv(rows)


def _check_classes(parts, class_names, root, origin):
    """Refuses classes that cannot be trained, and names those that are not tested."""
    if len(class_names) < 2:
        raise DataError(
            f"data.root must hold at least two class folders of videos; "
            f"{root!r} has {class_names[0]!r} alone."
        )
    counts = {
        split: collections.Counter(label for _, label, _ in entries)
        for split, entries in parts.items()
    }
    untrained = [n for i, n in enumerate(class_names) if not counts["train"][i]]
    if untrained:
        raise DataError(
            f"Each class must have a training video; {', '.join(untrained[:3])} "
            f"has none, by {origin}."
        )
    if not parts["test"]:
        raise DataError(
            f"There must be videos to test on, and there are none by {origin}: add "
            "videos of other recordings (groups.csv may say which is of which), or "
            "raise data.test_fraction. What the split's file says already stays."
        )
    untested = [n for i, n in enumerate(class_names) if not counts["test"][i]]
    if untested:
        more = ", …" if len(untested) > 3 else ""
        logging.warning(
            "%d of %d classes have no test video: %s%s.",
            len(untested),
            len(class_names),
            ", ".join(untested[:3]),
            more,
        )
