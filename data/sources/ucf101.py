"""Reads the classes, splits and videos of a directory in the shape of UCF101.

    root/UCF-101/Punch/v_Punch_g01_c01.avi …      class folders of video files
    root/ucfTrainTestlist/classInd.txt            "1 ApplyEyeMakeup"
    root/ucfTrainTestlist/trainlist01.txt         "Punch/v_Punch_g08_c01.avi 71"
    root/ucfTrainTestlist/testlist01.txt          "Punch/v_Punch_g01_c01.avi"

Any directory of that shape works, with any number of classes and any video format.
Names with a group number (_g01) are checked for groups shared by train and test; names
without one cannot be.
"""

import re

from configs.command.errors import DataError
from data.sources.base import Listing
from data.sources.files import open_files, scan_listings
from data.sources.names import alike
from data.sources.official_lists import check_disjoint, find_lines, numbered_lines
from data.sources.ucf101_layout import find_lists, find_videos, splits_of

CLASS = re.compile(r"(?P<label>\d{1,9})\s+(?P<name>.+)")
LINE = re.compile(r"(?P<name>.+\.\w+)(?:\s+(?P<label>\d{1,9}))?")


def open_ucf101(data, *, after_video):
    """See `data.sources.open_source`."""
    listing = list_videos(data.root, data.split)
    return open_files(listing, data.root, after_video=after_video)


def scan_ucf101(data, *, processes):
    """See `data.sources.scan_source`; of all splits that are there."""
    listings = [list_videos(data.root, split) for split in splits_of(data.root)]
    return scan_listings(listings, data.root, processes=processes)


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
    check_disjoint(train, test)
    _check_groups(train, test)
    _check_classes(train, class_names, lists)
    return Listing.of_files(
        class_names,
        train=[line.entry for line in train],
        validation=[],
        test=[line.entry for line in test],
    )


def _read_classes(file):
    """Class names in the order of their labels, which the file counts from 1."""
    names, seen = {}, set()
    for number, text in numbered_lines(file):
        found = CLASS.fullmatch(text)
        if not found:
            raise DataError(
                f"{file} line {number} must read 'LABEL CLASS'; received {text!r}."
            )
        label, name = int(found["label"]), found["name"]
        if label in names or alike(name) in seen:
            raise DataError(f"{file} line {number} repeats a label or class: {text!r}.")
        names[label] = name
        seen.add(alike(name))
    if not names or sorted(names) != list(range(1, len(names) + 1)):
        raise DataError(
            f"{file} must number its classes 1, 2, 3, …; received {sorted(names)}."
        )
    return tuple(names[label] for label in sorted(names))


def _read_list(file, folder, class_names):
    """The lines of one list, after checking that videos exist and labels fit."""
    labels = {alike(name): label for label, name in enumerate(class_names)}
    listed = [
        (number, *_parse(text, f"{file} line {number}", labels, class_names))
        for number, text in numbered_lines(file)
    ]
    if not listed:
        raise DataError(f"{file} lists no video.")
    return find_lines(file, listed, folder)


def _parse(text, location, labels, class_names):
    """Name and label, from 0, of "Class/video.avi 7" or "Class/video.avi"."""
    found = LINE.fullmatch(text)
    parts = found["name"].split("/") if found else []
    if len(parts) != 2 or any(part in ("", ".", "..") for part in parts):
        raise DataError(
            f"{location} must read 'CLASS/VIDEO' or 'CLASS/VIDEO LABEL'; received "
            f"{text!r}."
        )
    label = labels.get(alike(parts[0]))
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


def _check_groups(train, test):
    """A group's videos show the same scene: one in both lists inflates the accuracy."""
    trained = {(line.label, line.group): line for line in train}
    for line in test:
        other = line.group is not None and trained.get((line.label, line.group))
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
