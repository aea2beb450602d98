"""Finds the parts of Something-Something v2, in the layouts that people have."""

import dataclasses
import os
from pathlib import Path

from configs.command.errors import DataError
from data.sources.places import places

FOLDER = "20bn-something-something-v2"
VIDEO_FOLDERS = (FOLDER, "videos", ".")
ANNOTATION_FOLDERS = (".", "labels", "annotations")
PREFIXES = ("something-something-v2-", "")
# What the files may be called; of two of one video the first here counts.
ENDINGS = (".webm", ".mp4", ".mkv")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Annotations:
    """The paths of the annotations that are used.

    Attributes:
        labels: of the classes and their numbers.
        train: of the videos that are trained on.
        validation: of those that are tested on.
    """

    labels: Path
    train: Path
    validation: Path


def check_something_something(data):
    """Refuses a data set without its annotations.

    Args:
        data: a `configs.schema.Data`.

    Raises:
        DataError: see `find_annotations`.
    """
    find_annotations(data.root)


def find_annotations(root):
    """The files that say what the videos show.

    Args:
        root: the data set's directory.

    Returns:
        Annotations.

    Raises:
        DataError: one is not there; says which and where to put it.
    """
    names = [field.name for field in dataclasses.fields(Annotations)]
    folders = [base / name for base in _bases(root) for name in ANNOTATION_FOLDERS]
    found = [{name: _annotation(folder, name) for name in names} for folder in folders]
    for paths in found:
        if all(paths.values()):
            return Annotations(**paths)
    for folder, paths in zip(folders, found, strict=True):
        missing = [f"{name}.json" for name in names if not paths[name]]
        if len(missing) < len(names):
            raise DataError(f"{folder} lacks {' and '.join(missing)}.")
    files = ", ".join(f"{name}.json" for name in names)
    raise DataError(
        f"No {files} in or beside data.root={str(root)!r}. The annotations of "
        f"Something-Something v2 come in an archive of their own: unpack it to "
        f"{Path(root) / 'labels'}."
    )


def find_videos(root, ids):
    """The files of the videos, in the first folder that has any of them.

    Args:
        root: the data set's directory.
        ids: of the wanted videos, a set of str.

    Returns:
        (the folder, dict of id -> path of every video in it).

    Raises:
        DataError: no folder has any, or one cannot be listed.
    """
    for base in _bases(root):
        for folder in (base / name for name in VIDEO_FOLDERS):
            videos = _videos_in(folder) if folder.is_dir() else {}
            if not ids.isdisjoint(videos):
                return folder, videos
    raise DataError(
        f"No video ID{ENDINGS[0]} of Something-Something v2 in data.root="
        f"{str(root)!r}, nor in {' or '.join(VIDEO_FOLDERS[:-1])} in or beside it: "
        f"unpack the archives {FOLDER}-00 and so on, put together, there."
    )


def _bases(root):
    """Directories in which the parts of the data set may lie: root, inside, beside."""
    return places(root, VIDEO_FOLDERS[:-1])


def _annotation(folder, name):
    """The path of one of the annotations in a folder; None where it is not there."""
    paths = (folder / f"{prefix}{name}.json" for prefix in PREFIXES)
    return next((path for path in paths if path.is_file()), None)


def _videos_in(folder):
    """Dict of id -> path of the videos that lie directly in a folder."""
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error.strerror}.") from None
    videos = {}
    for ending in reversed(ENDINGS):
        for name in names:
            if name.endswith(ending):
                videos[name.removesuffix(ending)] = os.path.join(folder, name)
    return videos
