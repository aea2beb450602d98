"""Reads lists of videos in the forms that people have.

A list is text or CSV with a path and a label, a number or a name, on each line:

    some/clip.mp4 7                             mmaction2, VideoMAE, SlowFast
    some/clip.mp4,brush hair                    with commas, semicolons or tabs, too
    video_path,label                            a header, with columns in any order
    label,youtube_id,time_start,time_end,split  Kinetics, as it is published
    Class/clip.avi                              the class is the folder

What is guessed about a list is logged: what parts its columns, which of them are used,
from which number labels count, and where its files were found.
"""

import csv
import dataclasses
import os
import re
from pathlib import Path

from absl import logging

from configs.command.errors import DataError
from data.sources.official_lists import numbered_lines
from data.sources.tree import ENDINGS

# Names of columns, lower case; of several the first here counts.
PATH_COLUMNS = (
    *("path", "video_path", "file_path", "filepath", "videopath", "clip_path"),
    *("video", "filename", "file_name", "file", "video_name", "clip", "clip_name"),
)
LABEL_COLUMNS = (
    *("label", "class", "class_name", "label_name", "category", "action", "tag"),
    *("target", "class_id", "label_id"),
)
KINETICS = ("youtube_id", "time_start", "time_end")
SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons"}
VIDEO = re.compile(rf".+({'|'.join(map(re.escape, sorted(ENDINGS)))})", re.IGNORECASE)
# A path, which may have blanks, a label, which may as well.
BLANKS = re.compile(
    rf"(?P<path>.+?({'|'.join(map(re.escape, sorted(ENDINGS)))}))\s+(?P<label>\S.*)",
    re.IGNORECASE,
)
NUMBER = re.compile(r"\d{1,9}")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One video of a list.

    Attributes:
        file: the list.
        number: of the line, from 1.
        path: as listed; of Kinetics the name of the file without its ending.
        label: as listed, a number or a name.
    """

    file: Path
    number: int
    path: str
    label: str

    @property
    def location(self):
        """File and line number, for messages."""
        return f"{self.file} line {self.number}"


@dataclasses.dataclass(frozen=True)
class VideoList:
    """A list that has been read.

    Attributes:
        file: its path.
        entries: list of `Entry`.
        names_files: whether the entries name files; Kinetics's name videos of YouTube,
            which lie in files of several names.
    """

    file: Path
    entries: list[Entry]
    names_files: bool = True


def lists_of(data):
    """The lists of a data set that are given: dict of path -> option.

    Args:
        data: a `configs.schema.Data`.
    """
    options = ("train_list", "validation_list", "test_list")
    paths = {getattr(data, name): f"data.{name}" for name in options}
    return {path: name for path, name in paths.items() if path}


def check_lists(data):
    """Refuses lists that are not there, and a root that is none.

    Args:
        data: a `configs.schema.Data`.

    Raises:
        DataError: names the option.
    """
    if data.root and not os.path.isdir(data.root):
        raise DataError(f"data.root must be a directory; received {data.root!r}.")
    files = lists_of(data) | (
        {data.class_list: "data.class_list"} if data.class_list else {}
    )
    for path, name in files.items():
        if not os.path.isfile(path):
            raise DataError(f"{name} must be a file; received {path!r}.")


def read_video_list(file):
    """Reads one list; logs the form in which it was read.

    Args:
        file: its path.

    Returns:
        VideoList.

    Raises:
        DataError: it cannot be read, or a line has another form; names the line.
    """
    file = Path(file)
    lines = list(numbered_lines(file))
    if not lines:
        raise DataError(f"{file} lists no video.")
    separator = _separator([line for _, line in lines])
    if separator is None:
        _refuse_uneven(file, lines)
        return _read_blanks(file, lines)
    rows = [(number, fields_of(line, separator)) for number, line in lines]
    header = [name.lower() for name in rows[0][1]]
    if set(KINETICS) <= set(header):
        return _read_kinetics(file, header, rows[1:])
    return _read_columns(file, header, rows, SEPARATORS[separator])


def _separator(lines):
    """What parts the columns of all lines alike; None for blanks."""
    found = []
    for separator in SEPARATORS:
        widths = {len(fields_of(line, separator)) for line in lines}
        if len(widths) == 1 and widths != {1}:
            found.append(separator)
    # A comma may be part of the paths: then no column but the last is a video's.
    for separator in found:
        if _has_columns(fields_of(lines[0], separator)):
            return separator
    if found and not any(BLANKS.fullmatch(line) for line in lines):
        return found[0]
    return None


def _has_columns(fields):
    """Whether the columns of the first line are those of a list of videos."""
    known = {name.lower() for name in fields} & {*PATH_COLUMNS, *KINETICS}
    return bool(known) or any(VIDEO.fullmatch(field) for field in fields)


def _refuse_uneven(file, lines):
    """Refuses a list of columns of which a line has more or fewer than the first."""
    if all(BLANKS.fullmatch(line) or VIDEO.fullmatch(line) for _, line in lines):
        return
    for separator, name in SEPARATORS.items():
        first = fields_of(lines[0][1], separator)
        if len(first) == 1 or not _has_columns(first):
            continue
        for number, line in lines:
            fields = fields_of(line, separator)
            if len(fields) != len(first):
                raise DataError(
                    f"{file} line {number} must have {len(first)} columns, as line "
                    f"{lines[0][0]} ({name}); it has {len(fields)}: {line!r}. A name "
                    'with the separator in it must be quoted: "push, pull".'
                )


def fields_of(line, separator):
    """The columns of a line of CSV, without the blanks around them."""
    try:
        (fields,) = csv.reader([line], delimiter=separator, skipinitialspace=True)
    except (csv.Error, ValueError):
        return [line]
    return [field.strip() for field in fields]


def _read_blanks(file, lines):
    """A list of paths and labels with blanks between, or of paths alone."""
    entries, alone = [], 0
    for number, line in lines:
        found = BLANKS.fullmatch(line)
        if found:
            path, label = found["path"], found["label"]
        elif VIDEO.fullmatch(line) or len(line.split()) == 1:
            path, label = line, Path(line).parent.name
            alone += 1
        else:
            path, label = line.rsplit(None, 1)
        several = len(label.split()) > 1 and all(map(NUMBER.fullmatch, label.split()))
        frames = NUMBER.fullmatch(label) and NUMBER.fullmatch(path.split()[-1])
        if several or frames and not VIDEO.fullmatch(path) and len(path.split()) > 1:
            raise DataError(
                f"{file} line {number} must give a video and one label; received "
                f"{line!r}. Several labels of a video, and lists of folders of frames "
                "with their lengths, are not read."
            )
        entries.append(Entry(file, number, path, label))
    if 0 < alone < len(entries):
        first = next(e for e in entries if e.label == Path(e.path).parent.name)
        raise DataError(
            f"{first.location} has no label, as {alone} of {len(entries)} lines; all "
            "must have one, or none."
        )
    if alone and not all(entry.label for entry in entries):
        first = next(entry for entry in entries if not entry.label)
        raise DataError(
            f"{first.location} must give a label, or a path whose folder is the class; "
            f"received {first.path!r}."
        )
    form = "paths, whose folders are the classes" if alone else "path and label, blanks"
    logging.info("%s: %d videos (%s).", file, len(entries), form)
    return VideoList(file, entries)


def _read_kinetics(file, header, rows):
    """Kinetics's own CSV: files are called ID_START_END, in seconds of six digits."""
    if "label" not in header:
        raise DataError(f"{file} must have a column label; received {header}.")
    entries = []
    for number, fields in rows:
        row = dict(zip(header, fields, strict=True))
        try:
            start, end = (int(float(row[name])) for name in KINETICS[1:])
        except (ValueError, OverflowError):
            raise DataError(
                f"{file} line {number}: time_start and time_end must be seconds; "
                f"received {row['time_start']!r}, {row['time_end']!r}."
            ) from None
        if not (row["youtube_id"] and row["label"]):
            raise DataError(
                f"{file} line {number} must give a youtube_id and a label; received "
                f"{','.join(fields)!r}."
            )
        name = f"{row['youtube_id']}_{start:06d}_{end:06d}"
        entries.append(Entry(file, number, name, row["label"]))
    if not entries:
        raise DataError(f"{file} lists no video.")
    logging.info("%s: %d videos (Kinetics's columns).", file, len(entries))
    return VideoList(file, entries, names_files=False)


def _read_columns(file, header, rows, separator):
    """A list with a character between its columns, with or without a header."""
    path = next((name for name in PATH_COLUMNS if name in header), None)
    label = next((name for name in LABEL_COLUMNS if name in header), None)
    if path and label:
        path, label = header.index(path), header.index(label)
        rows = rows[1:]
        form = f"columns {header[path]} and {header[label]}"
    else:
        first = rows[0][1]
        videos = [i for i, field in enumerate(first) if VIDEO.fullmatch(field)]
        if len(first) != 2 or len(videos) > 1:
            raise DataError(
                f"{file} must have two columns, path and label, or begin with their "
                f"names (such as path,label); received {','.join(first)!r}."
            )
        path = videos[0] if videos else 0
        label = 1 - path
        form = "path and label" if path == 0 else "label and path"
    entries = []
    for number, fields in rows:
        if not (fields[path] and fields[label]):
            raise DataError(
                f"{file} line {number} must give a path and a label; received "
                f"{','.join(fields)!r}."
            )
        entries.append(Entry(file, number, fields[path], fields[label]))
    if not entries:
        raise DataError(f"{file} lists no video.")
    logging.info("%s: %d videos (%s, %s).", file, len(entries), form, separator)
    return VideoList(file, entries)
