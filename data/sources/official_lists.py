"""Lines of lists that name the videos of class folders, and the files they name."""

import dataclasses
import functools
import re
from pathlib import Path

from absl import logging

from configs.command.errors import DataError
from data.recordings import group_number
from data.sources.names import entries, find_file, read_list


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
        """The number after _g in the video's name; None without one."""
        return group_number(self.path.name)

    @property
    def entry(self):
        """Name, label and path, as `Listing.of_files` takes them."""
        return self.name, self.label, str(self.path)


def numbered_lines(file):
    """Yields (line number, text) of every line that is not blank."""
    lines = re.split(r"\r\n|\r|\n", read_list(file))
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, line.strip()


def find_lines(file, listed, folder):
    """The lines of a list with their files; logs names that are spelled otherwise.

    Args:
        file: the path of the list.
        listed: list of (line number, "Class/video.avi", label from 0).
        folder: the path of the folder of the class folders.

    Returns:
        list of Line.

    Raises:
        DataError: a video is missing or listed twice; names file and line.
    """
    lines, seen, missing, different = [], {}, [], 0
    listdir = functools.cache(entries)
    for number, name, label in listed:
        location = f"{file} line {number}"
        path, same = find_file(folder, name, location, listdir)
        if path is None:
            missing.append(f"line {number}: {name}")
            continue
        different += not same
        if path in seen:
            raise DataError(f"{location} repeats line {seen[path]}: {name}.")
        seen[path] = number
        lines.append(Line(file, number, name, label, path))
    if missing:
        raise DataError(
            f"{file} lists {len(missing)} videos that are not in {folder}: "
            f"{'; '.join(missing[:3])}{' …' if len(missing) > 3 else ''}."
        )
    if different:
        logging.warning(
            "%s: %d names differ from the files in upper and lower case, or in how "
            "accents are coded (Unicode NFC, NFD).",
            file,
            different,
        )
    return lines


def check_disjoint(train, test):
    """Refuses a video that is trained and tested on.

    Args:
        train: list of Line.
        test: list of Line.

    Raises:
        DataError: names both lines.
    """
    trained = {line.path: line for line in train}
    for line in test:
        if line.path in trained:
            raise DataError(
                f"{line.name} is in both lists: {trained[line.path].location} and "
                f"{line.location}."
            )
