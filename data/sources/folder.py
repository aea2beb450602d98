"""Reads a folder of class folders of videos: the form in which people have their own.

    root/cooking/monday/a.mp4 …     any depth below a class, any names and containers

The split is drawn once and kept in root/split.csv (`data.sources.frozen_split`), unless
it is there already:

    root/train/cooking/a.mp4 …   root/val/cooking/b.mp4 …   root/test/cooking/c.mp4 …
"""

import collections
from pathlib import Path

from absl import logging

from configs.command.errors import DataError, StorageError
from data.sources.base import Listing
from data.sources.files import open_files, scan_files
from data.sources.frozen_split import (
    GROUPS_FILE,
    SPLIT_FILE,
    SPLITS,
    frozen_split,
    group_of,
    read_groups,
)
from data.sources.tree import find_videos


def open_folder(data, *, after_video, keep_split=True):
    """See `data.sources.open_source`."""
    listing = list_folder(data, keep_split=keep_split)
    return open_files(listing, data.root, after_video=after_video)


def scan_folder(data, *, processes):
    """See `data.sources.scan_source`; draws no split."""
    names = {video.path: video.name for video in find_videos(data.root)}
    return scan_files(names, data.root, processes=processes)


def list_folder(data, *, keep_split=True, find=find_videos):
    """Lists the videos of a folder and divides them; logs how.

    Args:
        data: a `configs.schema.Data`.
        keep_split: whether a split that is drawn is kept in its file.
        find: a function of the root that returns its list of `data.sources.tree.Found`.

    Returns:
        Listing.

    Raises:
        DataError: the folder has no classes, or too few videos, or contradicts the file
            of its split.
        StorageError: the split cannot be kept.
    """
    videos = find(data.root)
    class_names = sorted({video.class_name for video in videos})
    if len(class_names) < 2:
        raise DataError(
            f"data.root must hold at least two class folders of videos; "
            f"{data.root!r} has {class_names[0]!r} alone."
        )
    parts, origin = _divided(videos, class_names, data, keep_split)
    logging.info(
        "%s: %d classes; %d videos to train, %d to validate, %d to test, %s.",
        data.root,
        len(class_names),
        *(len(parts[split]) for split in SPLITS),
        origin,
    )
    return Listing.of_files(class_names, **parts)


def _divided(videos, class_names, data, keep):
    """Dict of split -> list of (name, label, path), and what says so, in words."""
    if videos[0].split:
        _warn_of_shared_recordings(videos)
        origin = "as its folders say"
        splits = {video.name: video.split for video in videos}
        return _parts(videos, splits, class_names, origin), origin
    path = Path(data.split_file or Path(data.root, SPLIT_FILE))
    origin = f"as {path} {'says' if path.exists() or keep else 'will say'}"
    parts = {}

    def check(rows):
        splits = {name: row.split for name, row in rows.items()}
        parts.update(_parts(videos, splits, class_names, origin))

    groups = read_groups(Path(data.root, GROUPS_FILE), videos)
    fractions = {"validation": data.validation_fraction, "test": data.test_fraction}
    try:
        frozen_split(videos, path, groups, fractions, keep=keep, check=check)
    except StorageError as error:
        raise StorageError(
            f"The split must be kept, so that it stays the same: {error} "
            "--data.split_file=PATH keeps it elsewhere."
        ) from None
    return parts, origin


def _parts(videos, splits, class_names, origin):
    """Dict of split -> list of (name, label, path); refuses what cannot be trained."""
    parts = {split: [] for split in SPLITS}
    labels = {name: label for label, name in enumerate(class_names)}
    for video in videos:
        entry = video.name, labels[video.class_name], video.path
        parts[splits[video.name]].append(entry)
    if not parts["test"] and parts["validation"]:
        logging.warning(
            "The folder has no test videos: those of the validation split are tested "
            "on, and none is held out."
        )
        parts["test"], parts["validation"] = parts["validation"], []
    _check_classes(parts, class_names, origin)
    return parts


def _warn_of_shared_recordings(videos):
    """Says how many test videos come from recordings that are trained on."""
    trained = {group_of(video) for video in videos if video.split == "train"}
    shared = [v for v in videos if v.split == "test" and group_of(v) in trained]
    if shared:
        logging.warning(
            "%d test videos seem to be parts of recordings that are trained on, by "
            "their names; the first is %s. The test may be too easy.",
            len(shared),
            shared[0].name,
        )


def _check_classes(parts, class_names, origin):
    """Refuses classes that cannot be trained, and names those that are not tested."""
    counts = {
        split: collections.Counter(label for _, label, _ in entries)
        for split, entries in parts.items()
    }
    untrained = [n for i, n in enumerate(class_names) if not counts["train"][i]]
    if untrained:
        raise DataError(
            f"Each class must have a training video; {', '.join(untrained[:3])} "
            f"has none, {origin}."
        )
    if not parts["test"]:
        raise DataError(
            f"There must be videos to test on, and there are none, {origin}: add "
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
