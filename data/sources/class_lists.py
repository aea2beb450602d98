"""Which classes lists name: lists of names, and labels that are numbers or names."""

import dataclasses
import itertools
import json
import re
from pathlib import Path
from unicodedata import normalize

from absl import logging

from configs.command.errors import DataError
from data.sources.list_formats import NUMBER, fields_of
from data.sources.names import alike, read_list
from data.sources.official_lists import numbered_lines

INDEXED = re.compile(r"(?P<index>\d{1,9})[\s,;:]+(?P<name>\S.*)")
INDEX_LAST = re.compile(r"(?P<name>.*\S)[\s,;:]+(?P<index>\d{1,9})")
HEADERS = {"id", "index", "label", "name", "class"}  # first columns, lower case


@dataclasses.dataclass(frozen=True)
class ClassList:
    """A list of classes.

    Attributes:
        names: in the order of the labels.
        first: number of the first one in the list; None where it has no numbers.
    """

    names: list[str]
    first: int | None = None


def read_class_list(file):
    """Class names in the order of their labels.

    Args:
        file: a name on each line, with its number before or behind it or without; or
            JSON, a list of names or a table of name -> number.

    Returns:
        ClassList.

    Raises:
        DataError: it cannot be read, numbers its classes otherwise than 0, 1, 2, … or
            1, 2, 3, …, or has two of one name.
    """
    file = Path(file)
    if file.suffix.lower() == ".json":
        found = _of_json(file)
    else:
        found = _of_lines([line for _, line in numbered_lines(file)])
    names = [normalize("NFC", name) for name in found.names]
    if not names or len({alike(name) for name in names}) < len(names):
        raise DataError(f"{file} must name different classes; received {names[:5]} ….")
    return ClassList(names, found.first)


def _of_lines(lines):
    found = _numbered(lines, INDEXED) or _numbered(lines, INDEX_LAST)
    if found is None and lines and fields_of(lines[0].lower(), ",")[0] in HEADERS:
        found = _numbered(lines[1:], INDEXED) or _numbered(lines[1:], INDEX_LAST)
    return found or ClassList(lines)


def _of_json(file):
    try:
        content = json.loads(read_list(file))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} must be JSON; {error}.") from None
    if isinstance(content, dict):
        pairs = {str(name).strip('"'): str(index) for name, index in content.items()}
        lines = [f"{i} {name}" for name, i in pairs.items()]
        return _numbered(lines, INDEXED) or ClassList([])
    return ClassList(list(map(str, content)) if isinstance(content, list) else [])


def _numbered(lines, form):
    """The classes by the numbers on their lines; None where these are none."""
    found = [form.fullmatch(line) for line in lines]
    if not lines or not all(found):
        return None
    names = {int(match["index"]): match["name"] for match in found}
    numbers = sorted(names)
    whole = len(names) == len(lines) and numbers[0] in (0, 1)
    if not whole or numbers[-1] - numbers[0] != len(numbers) - 1:
        return None
    return ClassList([names[number] for number in numbers], numbers[0])


def labels_of(lists, known=None):
    """The classes of lists, and each entry's label.

    Labels are numbers where all are. They count from 0, or from 1 where that is the
    smallest of all lists. If the classes are known, they count from 1 where no label is
    0 and the largest is the number of the classes, or these are numbered from 1, too.

    Args:
        lists: list of lists of `Entry`, the training list first.
        known: the `ClassList`, if there is one.

    Returns:
        (list of class names, list of lists of int labels from 0).

    Raises:
        DataError: a label is of no class, or numbers are left out.
    """
    entries = [entry for part in lists for entry in part]
    if all(NUMBER.fullmatch(entry.label) for entry in entries):
        return _labels_of_numbers(lists, entries, known)
    class_names = known.names if known else None
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


def _labels_of_numbers(lists, entries, known):
    numbers = {int(entry.label) for entry in entries}
    least, most = min(numbers), max(numbers)
    if known is None:
        begin = 1 if least == 1 else 0
        trained = {int(entry.label) for part in lists[:1] for entry in part} or numbers
        missing = (n for n in range(begin, most + 1) if n not in trained)
        gaps = list(itertools.islice(missing, 5))
        if gaps:
            raise DataError(
                f"Labels must be 0, 1, 2, … or 1, 2, 3, … without gaps in the first "
                f"list, unless data.class_list names the classes; {gaps} are not "
                f"among {len(trained)} labels up to {most}."
            )
        class_names = [str(number) for number in range(begin, most + 1)]
    else:
        class_names = known.names
        from_one = known.first == 1 or most == len(class_names)
        begin = 1 if least >= 1 and from_one else 0
        if most - begin >= len(class_names):
            entry = next(e for e in entries if int(e.label) == most)
            raise DataError(
                f"{entry.location}: label {most} is none of the {len(class_names)} "
                "classes of data.class_list."
            )
    logging.info("Labels of the lists are numbers that count from %d.", begin)
    return class_names, [[int(e.label) - begin for e in part] for part in lists]
