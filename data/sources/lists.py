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
import json
import os
import re
from pathlib import Path
from unicodedata import normalize

from absl import logging

from configs.command.errors import DataError
from data.sources.names import alike, read_list
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
INDEXED = re.compile(r"(?P<index>\d{1,9})[\s,;:]+(?P<name>\S.*)")
INDEX_LAST = re.compile(r"(?P<name>.*\S)[\s,;:]+(?P<index>\d{1,9})")


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
    lines = [
        (number, line.strip())
        for number, line in enumerate(read_list(file).splitlines(), start=1)
        if line.strip()
    ]
    if not lines:
        raise DataError(f"{file} lists no video.")
    separator = _separator([line for _, line in lines])
    if separator is None:
        return _read_blanks(file, lines)
    rows = [(number, _fields(line, separator)) for number, line in lines]
    header = [name.lower() for name in rows[0][1]]
    if set(KINETICS) <= set(header):
        return _read_kinetics(file, header, rows[1:])
    return _read_columns(file, header, rows, SEPARATORS[separator])


def _separator(lines):
    """What parts the columns of all lines alike; None for blanks."""
    found = []
    for separator in SEPARATORS:
        widths = {len(_fields(line, separator)) for line in lines}
        if len(widths) == 1 and widths != {1}:
            found.append(separator)
    # A comma may be part of the paths: then no column but the last is a video's.
    for separator in found:
        first = _fields(lines[0], separator)
        known = {name.lower() for name in first} & {*PATH_COLUMNS, *KINETICS}
        if known or any(VIDEO.fullmatch(field) for field in first):
            return separator
    if found and not any(BLANKS.fullmatch(line) for line in lines):
        return found[0]
    return None


def _fields(line, separator):
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
        except ValueError:
            raise DataError(
                f"{file} line {number}: time_start and time_end must be seconds; "
                f"received {row['time_start']!r}, {row['time_end']!r}."
            ) from None
        name = f"{row['youtube_id']}_{start:06d}_{end:06d}"
        entries.append(Entry(file, number, name, row["label"]))
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


def read_class_list(file):
    """Class names in the order of their labels.

    Args:
        file: a name on each line, with its number before or behind it or without; or
            JSON, a list of names or a table of name -> number.

    Returns:
        list of str.

    Raises:
        DataError: it cannot be read, numbers its classes otherwise than 0, 1, 2, … or
            1, 2, 3, …, or has two of one name.
    """
    file = Path(file)
    text = read_list(file)
    if file.suffix.lower() == ".json":
        names = _names_in_json(file, text)
    else:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        names = _numbered(lines, INDEXED) or _numbered(lines, INDEX_LAST)
        if (
            names is None
            and lines
            and _fields(lines[0].lower(), ",")[0]
            in (*("id", "index", "label", "name", "class"),)
        ):
            names = _numbered(lines[1:], INDEXED) or _numbered(lines[1:], INDEX_LAST)
        names = names or lines
    names = [normalize("NFC", name) for name in names]
    if not names or len({alike(name) for name in names}) < len(names):
        raise DataError(f"{file} must name different classes; received {names[:5]} ….")
    return names


def _names_in_json(file, text):
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DataError(f"{file} must be JSON; {error}.") from None
    if isinstance(content, dict):
        pairs = {str(name).strip('"'): str(index) for name, index in content.items()}
        return _numbered([f"{i} {name}" for name, i in pairs.items()], INDEXED) or []
    return list(map(str, content)) if isinstance(content, list) else []


def _numbered(lines, form):
    """Names in the order of the numbers on their lines; None where these are none."""
    found = [form.fullmatch(line) for line in lines]
    if not lines or not all(found):
        return None
    names = {int(match["index"]): match["name"] for match in found}
    numbers = sorted(names)
    whole = len(names) == len(lines) and numbers[0] in (0, 1)
    if not whole or numbers[-1] - numbers[0] != len(numbers) - 1:
        return None
    return [names[number] for number in numbers]


def labels_of(lists, class_names=None):
    """The classes of lists, and each entry's label.

    Labels are numbers where all are. They count from 0, or from 1 where that is the
    smallest of all lists (or, if the classes are known, their number is the largest).

    Args:
        lists: list of lists of `Entry`, the training list first.
        class_names: in the order of the labels, if they are known.

    Returns:
        (list of class names, list of lists of int labels from 0).

    Raises:
        DataError: a label is of no class, or numbers are left out.
    """
    entries = [entry for part in lists for entry in part]
    if all(NUMBER.fullmatch(entry.label) for entry in entries):
        return _labels_of_numbers(lists, entries, class_names)
    if class_names is None:
        first = next(part for part in lists if part)
        named = {alike(e.label): normalize("NFC", e.label) for e in reversed(first)}
        class_names = sorted(named.values())
    labels = {alike(name): label for label, name in enumerate(class_names)}
    for entry in entries:
        if alike(entry.label) not in labels:
            raise DataError(
                f"{entry.location}: {entry.label!r} is none of the {len(class_names)} "
                f"classes ({', '.join(class_names[:3])} …)."
            )
    return class_names, [[labels[alike(e.label)] for e in part] for part in lists]


def _labels_of_numbers(lists, entries, class_names):
    numbers = {int(entry.label) for entry in entries}
    least, most = min(numbers), max(numbers)
    if class_names is None:
        begin = 1 if least == 1 else 0
        trained = {int(entry.label) for part in lists[:1] for entry in part} or numbers
        gaps = sorted(set(range(begin, most + 1)) - trained)
        if gaps:
            raise DataError(
                f"Labels must be 0, 1, 2, … or 1, 2, 3, … without gaps in the first "
                f"list, unless data.class_list names the classes; {gaps[:5]} are not "
                f"among {len(trained)} labels up to {most}."
            )
        class_names = [str(number) for number in range(begin, most + 1)]
    else:
        begin = 1 if least >= 1 and most == len(class_names) else 0
        if most - begin >= len(class_names):
            entry = next(e for e in entries if int(e.label) == most)
            raise DataError(
                f"{entry.location}: label {most} is none of the {len(class_names)} "
                "classes of data.class_list."
            )
    logging.info("Labels of the lists are numbers that count from %d.", begin)
    return class_names, [[int(e.label) - begin for e in part] for part in lists]
