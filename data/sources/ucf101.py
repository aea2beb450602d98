"""Reads the classes, splits and videos of a directory in the shape of UCF101.

    root/UCF-101/Punch/v_Punch_g01_c01.avi …      class folders of video files
    root/ucfTrainTestlist/classInd.txt            "1 ApplyEyeMakeup"
    root/ucfTrainTestlist/trainlist01.txt         "Punch/v_Punch_g08_c01.avi 71"
    root/ucfTrainTestlist/testlist01.txt          "Punch/v_Punch_g01_c01.avi"

Any directory of that shape works, with any number of classes and any video format:
this is also how users bring their own videos. Names with a group number (_g01) are
checked for groups shared by train and test; names without one cannot be.
"""

import dataclasses
import functools
import re
from pathlib import Path

import numpy as np
from absl import logging

from configs.command.errors import DataError
from data.sources.base import Listing
from data.sources.files import open_files, scan_files
from data.sources.ucf101_layout import entries, find_lists, find_videos, splits_of

LINE = re.compile(r"(?P<name>.+\.\w+)(?:\s+(?P<label>\d+))?")
GROUP = re.compile(r"_g(\d+)(?=[_.])")


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of a train or test list.

    Attributes:
        file: the list.
        number: of the line, from 1.
        name: "Class/video.avi" as listed.
        label: of the class, from 0.
        path: of the video's file.
    """

    file: Path
    number: int
    name: str
    label: int
    path: Path

    @property
    def location(self):
        """File and line number, for messages."""
        return f"{self.file} line {self.number}"

    @property
    def group(self):
        """The number after _g in the video's name, -1 without one."""
        found = GROUP.search(self.path.name)
        return int(found.group(1)) if found else -1


def open_ucf101(root, split, *, threads, after_video):
    """See `data.sources.open_source`.

    The files are scanned in other processes, one for each core, so `threads` does not
    matter.
    """
    listing = list_videos(root, split)
    return open_files(listing, root, after_video=after_video)


def scan_ucf101(root, *, processes):
    """See `data.sources.scan_source`."""
    listings = [list_videos(root, split) for split in splits_of(root)]
    return scan_files(listings, root, processes=processes)


def list_videos(root, split):
    """Reads the class index and the train and test lists of one split.

    Args:
        root: the data set's directory, or its folder of class folders.
        split: 1, 2 or 3.

    Returns:
        Listing.

    Raises:
        DataError: a list or a video is missing, or the lists contradict themselves,
            each other or the class folders; names file and line.
    """
    lists = find_lists(root, split)
    class_names = _read_classes(lists / "classInd.txt")
    folder = find_videos(root, lists, class_names)
    train = _read_list(lists / f"trainlist0{split}.txt", folder, class_names)
    test = _read_list(lists / f"testlist0{split}.txt", folder, class_names)
    _check_disjoint(train, test)
    _check_groups(train, test)
    _check_classes(train, class_names, lists)
    lines = train + test
    return Listing(
        class_names=class_names,
        names=tuple(line.name for line in lines),
        labels=np.array([line.label for line in lines], np.int32),
        groups=np.array([line.group for line in lines], np.int32),
        train_size=len(train),
        paths=tuple(str(line.path) for line in lines),
    )


def _numbered_lines(file):
    """Yields (line number, text) of every line that is not blank."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} must be UTF-8 text: {error}.") from error
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        if line.strip():
            yield number, line.strip()


def _read_classes(file):
    """Class names in the order of their labels, which the file counts from 1."""
    names = {}
    for number, text in _numbered_lines(file):
        label, _, name = text.partition(" ")
        name = name.strip()
        if not label.isdecimal() or not name:
            raise DataError(
                f"{file} line {number} must read 'LABEL CLASS'; received {text!r}."
            )
        if int(label) in names or name.casefold() in map(str.casefold, names.values()):
            raise DataError(f"{file} line {number} repeats a label or class: {text!r}.")
        names[int(label)] = name
    if not names or sorted(names) != list(range(1, len(names) + 1)):
        raise DataError(
            f"{file} must number its classes 1, 2, 3, …; received {sorted(names)}."
        )
    return tuple(names[label] for label in sorted(names))


def _read_list(file, folder, class_names):
    """The lines of one list, after checking that videos exist and labels fit."""
    labels = {name.casefold(): label for label, name in enumerate(class_names)}
    lines, seen, missing = [], {}, []
    listdir = functools.cache(entries)
    for number, text in _numbered_lines(file):
        location = f"{file} line {number}"
        name, label = _parse(text, location, labels, class_names)
        path = _resolve(folder, name, location, listdir)
        if path is None:
            missing.append(f"line {number}: {name}")
            continue
        if path in seen:
            raise DataError(f"{location} repeats line {seen[path]}: {name}.")
        seen[path] = number
        lines.append(Line(file, number, name, label, path))
    if missing:
        raise DataError(
            f"{file} lists {len(missing)} videos that are not in {folder}: "
            f"{'; '.join(missing[:3])}{' …' if len(missing) > 3 else ''}."
        )
    if not lines:
        raise DataError(f"{file} lists no video.")
    different = sum(line.path != folder / line.name for line in lines)
    if different:
        logging.warning(
            "%s: %d names differ from the files in upper and lower case.",
            file,
            different,
        )
    return lines


def _parse(text, location, labels, class_names):
    """Name and label, from 0, of "Class/video.avi 7" or "Class/video.avi"."""
    found = LINE.fullmatch(text)
    parts = found["name"].split("/") if found else []
    if len(parts) != 2 or any(part in ("", ".", "..") for part in parts):
        raise DataError(
            f"{location} must read 'CLASS/VIDEO' or 'CLASS/VIDEO LABEL'; received "
            f"{text!r}."
        )
    label = labels.get(parts[0].casefold())
    if label is None:
        raise DataError(
            f"{location} names the class {parts[0]!r}, not in classInd.txt."
        )
    if found["label"] is not None and int(found["label"]) != label + 1:
        raise DataError(
            f"{location} says label {found['label']}, but {class_names[label]} is "
            f"{label + 1} in classInd.txt."
        )
    return found["name"], label


def _resolve(folder, name, location, listdir):
    """The file of a listed name; None if there is none.

    Upper and lower case may differ where only one file is meant.

    UCF101's own lists write HandstandPushups/v_HandStandPushups_g01_c01.avi, and
    copies of the data set differ in both parts.
    """
    path = folder
    for part in name.split("/"):
        if not path.is_dir():
            return None
        alike = listdir(path).get(part.casefold(), [])
        if part not in alike and len(alike) > 1:
            raise DataError(f"{location}: {part!r} may be any of {alike} in {path}.")
        if not alike:
            return None
        path = path / (part if part in alike else alike[0])
    return path


def _check_disjoint(train, test):
    trained = {line.path: line for line in train}
    for line in test:
        if line.path in trained:
            raise DataError(
                f"{line.name} is in both lists: {trained[line.path].location} and "
                f"{line.location}."
            )


def _check_groups(train, test):
    """A group's videos show the same scene: one in both lists inflates the accuracy."""
    trained = {(line.label, line.group): line for line in train if line.group >= 0}
    for line in test:
        other = trained.get((line.label, line.group))
        if other:
            raise DataError(
                f"Group {line.group} of one class is in both lists: {other.name} "
                f"({other.location}) and {line.name} ({line.location})."
            )


def _check_classes(train, class_names, lists):
    present = {line.label for line in train}
    for label, name in enumerate(class_names):
        if label not in present:
            raise DataError(
                f"{lists / 'classInd.txt'} names {name}, of which {train[0].file} "
                "lists no video."
            )
