"""Finds the videos of a folder of class folders, whatever they are called."""

import collections
import dataclasses
import os
from unicodedata import normalize

from absl import logging

from configs.command.errors import DataError
from data.sources.names import alike
from storage.text import escaped

# Of the containers that hold videos; what a file really holds, the scan tells.
ENDINGS = frozenset(
    (
        *(".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m2t"),
        *(".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpe"),
        *(".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".rm"),
        *(".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
    )
)
FOLDER = "folder"
OURS = {"split.csv", "groups.csv", "prepared.json", "video_scan.json"}
# What folders of a split are called: the split that they hold.
SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


@dataclasses.dataclass(frozen=True)
class Found:
    """A video in a class folder.

    Attributes:
        name: its path below the root, as Unicode text.
        class_name: of its class folder, in Unicode's composed form.
        split: "train", "validation" or "test" where the class folder lies in a folder
            called so; else "".
        path: of the file.
    """

    name: str
    class_name: str
    split: str
    path: str


def check_folder(data):
    """Refuses a folder that is not there.

    Args:
        data: a `configs.schema.Data`.

    Raises:
        DataError: data.root is no directory.
    """
    if not data.root:
        raise DataError("data.root must name the folder of the videos; received ''.")
    if not os.path.isdir(data.root):
        raise DataError(f"data.root must be a directory; received {data.root!r}.")


def find_videos(root):
    """The videos in the class folders of a directory, at any depth, sorted by name.

    Class folders lie in the root, or in its only folder that has videos, or in folders
    train, val and test there. Logs what is not used: other files by their ending,
    hidden ones, and videos outside of the class folders.

    Args:
        root: the directory.

    Returns:
        list of `Found`.

    Raises:
        DataError: there is no such directory, a folder cannot be listed, or it is not
            clear which folders are classes.
    """
    return arrange(walk(root), root, ENDINGS)


def arrange(files, root, endings):
    """Which class, and which split, each of many files or folders is of.

    Args:
        files: list of (parts of the path below the root, path), sorted.
        root: the directory, for messages.
        endings: of the files that were looked for, for messages.

    Returns:
        list of `Found`.

    Raises:
        DataError: it is not clear which folders are classes, or there is none.
    """
    depth = _depth_of_classes(files)
    splits = _splits(files, depth, root)
    level = depth + bool(splits)
    found, loose = [], []
    for parts, path in files:
        if len(parts) < level + 2:
            loose.append(parts)
            continue
        name = "/".join(parts)
        split = splits[parts[depth]] if splits else ""
        found.append(Found(name, normalize("NFC", parts[level]), split, path))
    if loose:
        logging.warning(
            "%d videos are not used, as they lie in no class folder; the first is %s.",
            len(loose),
            "/".join(loose[0]),
        )
    if not found:
        raise DataError(
            f"data.root must hold class folders of videos; {str(root)!r} has no video "
            f"in any folder ({len(loose)} outside of folders). Known endings: "
            f"{' '.join(sorted(endings))}."
        )
    _refuse_similar(sorted({video.class_name for video in found}))
    if depth:
        logging.info("Classes are the folders of %s.", "/".join(files[0][0][:depth]))
    return found


def walk(root, endings=ENDINGS):
    """Every video below a directory; links are followed, but not round in a circle.

    Args:
        root: the directory.
        endings: which files are looked for, by their endings in lower case.

    Returns:
        list of (parts of the path below the root as Unicode text, path), sorted.

    Raises:
        DataError: there is no such directory, or a folder cannot be listed.
    """
    files, ignored = [], collections.Counter()
    folders = [((), os.fspath(root), ())]
    while folders:
        parts, folder, above = folders.pop()
        place, entries = _look_into(folder)
        if place in above:
            ignored["links that lead back"] += 1
            continue
        for entry in entries:
            if entry.name in OURS:
                continue
            name = (*parts, escaped(entry.name))
            kind = _kind(entry)
            if kind == FOLDER:
                folders.append((name, entry.path, (*above, place)))
            elif kind in endings:
                files.append((name, entry.path))
            else:
                ignored[kind] += 1
    if ignored:
        kinds = [f"{kind} {count}" for kind, count in ignored.most_common(8)]
        more = ", …" if len(ignored) > len(kinds) else ""
        logging.info(
            "Not used in %s, by their names: %s%s.",
            root,
            ", ".join(kinds),
            more,
        )
    return sorted(files)


def _look_into(folder):
    """What tells a folder from others, and its entries."""
    try:
        status = os.stat(folder)
        return (status.st_dev, status.st_ino), list(os.scandir(folder))
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error.strerror}.") from None


def _kind(entry):
    """`FOLDER`, a file's ending in lower case, or another word for what it is."""
    if entry.name.startswith("."):  # A Mac writes ._clip.mp4 beside clip.mp4.
        return "hidden"
    try:
        if entry.is_dir():
            return FOLDER
    except OSError:  # A link to itself, say; the scan tells what is wrong with it.
        pass
    return os.path.splitext(entry.name)[1].lower() or "no ending"


def _depth_of_classes(files):
    """How many folders, each the only one, lie around the folders of the videos."""
    depth = 0
    while len({parts[depth] for parts, _ in files}) == 1 and any(
        len(parts) > depth + 2 for parts, _ in files
    ):
        depth += 1
        files = [(parts, path) for parts, path in files if len(parts) > depth]
    return depth


def _splits(files, depth, root):
    """Name of a folder -> split, where the folders at that depth are splits."""
    names = {parts[depth] for parts, _ in files if len(parts) > depth + 1}
    splits = {n: SPLIT_FOLDERS[alike(n)] for n in names if alike(n) in SPLIT_FOLDERS}
    if "train" not in splits.values() or len(set(splits.values())) == 1:
        return {}
    others = sorted(names - splits.keys())
    if others or len(set(splits.values())) < len(splits):
        raise DataError(
            f"data.root must hold class folders, or one folder each for train, val and "
            f"test; {str(root)!r} has videos in {', '.join(sorted(names))}."
        )
    return splits


def _refuse_similar(class_names):
    """Refuses classes whose names differ in upper and lower case alone."""
    seen = {}
    for name in class_names:
        other = seen.setdefault(alike(name), name)
        if other != name:
            raise DataError(
                "Class folders must differ in more than upper and lower case; received "
                f"{other!a} and {name!a}."
            )
