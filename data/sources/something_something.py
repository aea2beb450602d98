"""Reads Something-Something v2, as it is published.

    root/20bn-something-something-v2/78687.webm …
    root/labels/labels.json          {"Holding something next to something": "…", …}
    root/labels/train.json           [{"id": "78687", "template": "Holding [something]
                                     next to [something]", …}, …]
    root/labels/validation.json      the same

A video's class is its template without the brackets. train.json is trained on and
validation.json tested on, as papers report it: test.json has no labels.
"""

import dataclasses
import re
from pathlib import Path

from absl import logging

from configs.command.errors import DataError
from data.sources.base import Listing
from data.sources.files import open_files, scan_listings
from data.sources.names import read_list
from data.sources.something_something_layout import (
    FOLDER,
    find_annotations,
    find_videos,
)
from storage.records import Text, decode

BRACKETS = str.maketrans("", "", "[]")
NUMBER = re.compile(r"\d{1,9}")


@dataclasses.dataclass(frozen=True)
class Annotated:
    """What an annotation says of one video.

    Attributes:
        id: its number, as text.
        template: the class, its placeholders in brackets.
    """

    id: Text
    template: Text


@dataclasses.dataclass(frozen=True)
class Entry:
    """One video of train.json or validation.json.

    Attributes:
        file: the path of the JSON.
        number: of the entry, from 1.
        id: of the video.
        label: of its class, from 0.
    """

    file: Path
    number: int
    id: str
    label: int

    @property
    def location(self):
        """File, entry and video, for messages."""
        return f"{self.file} entry {self.number} (id {self.id})"


def open_something_something(data, *, after_video):
    """See `data.sources.open_source`."""
    return open_files(list_videos(data.root), data.root, after_video=after_video)


def scan_something_something(data, *, processes):
    """See `data.sources.scan_source`."""
    return scan_listings([list_videos(data.root)], data.root, processes=processes)


def list_videos(root):
    """Reads the annotations and finds their videos; logs how many there are.

    Args:
        root: the data set's directory, or its folder of videos.

    Returns:
        Listing.

    Raises:
        DataError: a file or a video is missing, a class has no training video, or the
            annotations contradict themselves; names file and entry.
    """
    files = find_annotations(root)
    class_names = _read_classes(files.labels)
    train, validation = (
        _read_entries(file, class_names, files.labels)
        for file in (files.train, files.validation)
    )
    _check_once([*train, *validation])
    _check_classes(train, class_names, files)
    ids = {entry.id for entry in (*train, *validation)}
    folder, videos = find_videos(root, ids)
    for entries in (train, validation):
        _check_found(entries, folder, videos)
    logging.info(
        "%s: %d classes; %d videos to train; %d to test, those of %s, as papers report "
        "it: test.json has no labels.",
        root,
        len(class_names),
        len(train),
        len(validation),
        files.validation,
    )
    return Listing.of_files(
        class_names,
        train=[_listed(entry, videos) for entry in train],
        validation=[],
        test=[_listed(entry, videos) for entry in validation],
    )


def _read_json(file, form):
    """The content of a file as a type."""
    try:
        return decode(read_list(file), form)
    except ValueError as error:
        raise DataError(f"{file} must be as it is published: {error}.") from None


def _read_classes(file):
    """Class names in the order of their numbers, which count from 0."""
    numbers = _read_json(file, dict[str, str])
    names = {int(n): name for name, n in numbers.items() if NUMBER.fullmatch(n)}
    if not numbers or sorted(names) != list(range(len(numbers))):
        raise DataError(
            f"{file} must number its classes 0, 1, 2, …; received "
            f"{sorted(numbers.values())}."
        )
    return tuple(names[number] for number in sorted(names))


def _read_entries(file, class_names, labels_file):
    """The entries of train.json or validation.json."""
    labels = {name: label for label, name in enumerate(class_names)}
    entries = []
    for number, annotated in enumerate(_read_json(file, list[Annotated]), start=1):
        label = labels.get(annotated.template.translate(BRACKETS))
        entry = Entry(file, number, annotated.id, label)
        if label is None:
            raise DataError(
                f"{entry.location} has the template {annotated.template!r}, which is "
                f"none of the {len(class_names)} classes of {labels_file}."
            )
        entries.append(entry)
    if not entries:
        raise DataError(f"{file} lists no video.")
    return entries


def _check_once(entries):
    """Refuses a video that comes twice, in one file or in both."""
    seen = {}
    for entry in entries:
        other = seen.setdefault(entry.id, entry)
        if other is not entry:
            raise DataError(f"{entry.location} is the same video as {other.location}.")


def _check_classes(train, class_names, files):
    """Refuses a class that cannot be trained."""
    present = {entry.label for entry in train}
    for label, name in enumerate(class_names):
        if label not in present:
            raise DataError(
                f"{files.labels} names {name!r}, of which {files.train} lists no video."
            )


def _check_found(entries, folder, videos):
    """Refuses videos that are not there."""
    missing = [entry for entry in entries if entry.id not in videos]
    if missing:
        named = "; ".join(f"entry {e.number}: id {e.id}" for e in missing[:3])
        raise DataError(
            f"{missing[0].file} lists {len(missing)} videos that are not in {folder}: "
            f"{named}{' …' if len(missing) > 3 else ''}."
        )


def _listed(entry, videos):
    """Name, label and path, as `Listing.of_files` takes them."""
    path = videos[entry.id]
    return f"{FOLDER}/{Path(path).name}", entry.label, path
