"""Finds the parts of an HMDB51-shaped directory, in the layouts that people have."""

import contextlib
import os
import re
from pathlib import Path

from configs.command.errors import DataError
from data.sources.names import alike, entries
from data.sources.places import places
from data.sources.tree import ENDINGS

LIST_FOLDERS = (
    "testTrainMulti_7030_splits",
    "test_train_splits/testTrainMulti_7030_splits",
    "test_train_splits",
    "splits",
    ".",
)
VIDEO_FOLDERS = ("hmdb51_org", "videos", ".")
LIST = re.compile(r"(?P<class_name>.+)_test_split(?P<split>[123])\.txt")


def splits_of(root):
    """Those of the splits 1, 2, 3 whose lists exist; split 1 if none do."""
    found = []
    for split in (1, 2, 3):
        with contextlib.suppress(DataError):
            find_lists(root, split)
            found.append(split)
    return found or [1]  # so that `list_videos` explains what is missing


def check_hmdb51(data):
    """Refuses a data set without the lists of its split.

    Args:
        data: a `configs.schema.Data`.

    Raises:
        DataError: see `find_lists`.
    """
    find_lists(data.root, data.split)


def find_lists(root, split):
    """The lists of a split, one for each class.

    Args:
        root: the data set's directory.
        split: 1, 2 or 3.

    Returns:
        dict of class name -> path, sorted by class name.

    Raises:
        DataError: there are none, or two of one class; says where to get them.
    """
    folders = [base / name for base in _bases(root) for name in LIST_FOLDERS]
    found = {f: _lists_in(f) for f in folders if f.is_dir()}
    for lists in found.values():
        if lists[split]:
            _refuse_similar(lists[split])
            return lists[split]
    for folder, lists in found.items():
        others = [str(other) for other in lists if lists[other]]
        if others:
            raise DataError(
                f"{folder} lacks CLASS_test_split{split}.txt, needed for "
                f"data.split={split}; it has split {' and '.join(others)}."
            )
    raise DataError(
        f"No CLASS_test_split{split}.txt in or beside data.root={str(root)!r}. "
        "HMDB51's lists come in an archive of their own (test_train_splits.rar): "
        f"unpack it to {Path(root) / LIST_FOLDERS[0]}."
    )


def find_videos(root, lists):
    """The folder that holds the class folders, each of which has a list.

    Args:
        root: the data set's directory.
        lists: as `find_lists` gives them.

    Returns:
        Path.

    Raises:
        DataError: there is none, or a folder of videos in it has no list.
    """
    beside = next(iter(lists.values())).parent
    wanted = {alike(class_name) for class_name in lists}
    for base in (*_bases(root), beside, beside.resolve().parent):
        for folder in (base / name for name in VIDEO_FOLDERS):
            if folder.is_dir() and wanted & entries(folder).keys():
                _refuse_unlisted(folder, wanted, beside)
                return folder
    raise DataError(
        f"No folder of any class that {beside} lists in data.root={str(root)!r}, nor "
        f"in {' or '.join(VIDEO_FOLDERS[:-1])} below it: unpack hmdb51_org.rar there, "
        "and the archives of the classes that it holds."
    )


def _bases(root):
    """Directories in which the parts of the data set may lie: root, inside, beside."""
    return places(root, VIDEO_FOLDERS[:-1])


def _lists_in(folder):
    """The lists in a folder: dict of split -> {class name: path}, sorted."""
    lists = {1: {}, 2: {}, 3: {}}
    for name, path in _names_in(folder):
        found = LIST.fullmatch(name)
        if found:
            lists[int(found["split"])][found["class_name"]] = path
    return {split: dict(sorted(lists[split].items())) for split in lists}


def _names_in(folder):
    """List of (name, path) of everything in a folder."""
    same = entries(folder).values()
    return [(name, folder / names[name]) for names in same for name in names]


def _refuse_similar(lists):
    """Refuses lists of classes whose names differ in upper and lower case alone."""
    seen = {}
    for class_name, file in lists.items():
        other = seen.setdefault(alike(class_name), file)
        if other is not file:
            raise DataError(f"{other} and {file} must not list the same class.")


def _refuse_unlisted(folder, wanted, lists):
    """Refuses a class folder without a list, whose videos nothing would use."""
    for name, path in _names_in(folder):
        if alike(name) not in wanted and path.is_dir() and _holds_videos(path):
            raise DataError(
                f"{path} holds videos and has no list of this split in {lists}: add "
                "the list, or move the folder away."
            )


def _holds_videos(folder):
    """Whether a video, by its name, lies directly in a folder."""
    names = (name for name, _ in _names_in(folder) if not name.startswith("."))
    return any(os.path.splitext(name)[1].lower() in ENDINGS for name in names)
