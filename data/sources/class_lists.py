"""Which classes lists name: lists of names, and labels that are numbers or names."""

import json
import re
from pathlib import Path
from unicodedata import normalize

from absl import logging

from configs.command.errors import DataError
from data.sources.lists import NUMBER, fields_of
from data.sources.names import alike, read_list

INDEXED = re.compile(r"(?P<index>\d{1,9})[\s,;:]+(?P<name>\S.*)")
INDEX_LAST = re.compile(r"(?P<name>.*\S)[\s,;:]+(?P<index>\d{1,9})")


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
            and fields_of(lines[0].lower(), ",")[0]
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
