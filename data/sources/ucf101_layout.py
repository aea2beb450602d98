"""Finds the parts of a UCF101-shaped directory, in the layouts that people have."""

import contextlib
from pathlib import Path

from configs.command.errors import DataError
from data.sources.names import alike, entries
from data.sources.places import places

LIST_FOLDERS = (
    ".",
    "ucfTrainTestlist",
    "UCF101TrainTestSplits-RecognitionTask/ucfTrainTestlist",
)
VIDEO_FOLDERS = ("UCF-101", "UCF101", "videos", ".")


def splits_of(root):
    """Those of the splits 1, 2, 3 whose lists exist; split 1 if none do."""
    found = [split for split in (1, 2, 3) if has_lists(root, split)]
    return found or [1]  # so that `list_videos` explains what is missing


def _bases(root):
    """Directories in which the parts of the data set may lie: root, inside, beside."""
    return places(root, VIDEO_FOLDERS[:-1])


def check_ucf101(data):
    """Refuses a data set without the lists of its split.

    Args:
        data: a `configs.schema.Data`.

    Raises:
        DataError: see `find_lists`.
    """
    find_lists(data.root, data.split)


def has_lists(root, split):
    """Whether the lists of a split are there.

    Args:
        root: the data set's directory.
        split: 1, 2 or 3.
    """
    with contextlib.suppress(DataError):
        find_lists(root, split)
        return True
    return False


def find_lists(root, split):
    """The folder that holds the class index and both lists of a split.

    Args:
        root: the data set's directory.
        split: 1, 2 or 3.

    Raises:
        DataError: there is none; says what is missing and where to get it.
    """
    names = ("classInd.txt", f"trainlist0{split}.txt", f"testlist0{split}.txt")
    folders = [base / name for base in _bases(root) for name in LIST_FOLDERS]
    complete = [f for f in folders if all((f / name).is_file() for name in names)]
    if complete:
        return complete[0]
    for folder in folders:
        missing = [name for name in names if not (folder / name).is_file()]
        if len(missing) < len(names):
            raise DataError(
                f"{folder} lacks {' and '.join(missing)}, needed for "
                f"data.split={split}."
            )
    raise DataError(
        f"No {', '.join(names)} in or beside data.root={str(root)!r}. UCF101's lists "
        "come in an archive of their own (UCF101TrainTestSplits-RecognitionTask.zip): "
        f"unpack it to {Path(root) / 'ucfTrainTestlist'}. Class folders without lists "
        "are data.source=folder."
    )


def find_videos(root, lists, class_names):
    """The folder that holds the class folders.

    Args:
        root: the data set's directory.
        lists: the folder of the lists.
        class_names: of the class index.

    Raises:
        DataError: there is none.
    """
    bases = [*_bases(root), lists, lists.resolve().parent]
    wanted = {alike(name) for name in class_names}
    for base in bases:
        for folder in (base / name for name in VIDEO_FOLDERS):
            if folder.is_dir() and wanted & entries(folder).keys():
                return folder
    raise DataError(
        f"No folder of any class of {lists / 'classInd.txt'} in data.root="
        f"{str(root)!r}, nor in {' or '.join(VIDEO_FOLDERS[:-1])} below it: unpack "
        "UCF101.rar there."
    )
