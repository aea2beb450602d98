"""Names of classes, from a file of them or from a checkpoint."""

import codecs
import reprlib
from pathlib import Path
from unicodedata import category

from absl import logging

from configs.command.errors import ConfigError

# The longest known lists have some thousand names of a few dozen letters.
LARGEST_FILE = 16 * 2**20
UNSEEN = ("Cc", "Cs")  # control characters, halves of surrogate pairs
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_class_names(path):
    """One class name a line, in the order of the labels; empty lines do not count.

    The file may be UTF-8, with or without a byte order mark, or UTF-16 with one. Any
    other is read as Latin-1, which is said.

    Raises:
        ConfigError: it cannot be read, is no text, or names a class twice.
    """
    try:
        if Path(path).stat().st_size > LARGEST_FILE:
            raise ConfigError(
                f"--class_names must be a list of names; {str(path)!r} is larger than "
                f"{LARGEST_FILE >> 20} MiB."
            )
        content = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"--class_names must be a readable file: {error}.") from error
    lines = decoded(content, path).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    names = tuple(line.strip() for line in lines if line.strip())
    return checked_class_names(names or [], f"--class_names={path}")


def decoded(content, path):
    """Bytes as text; says where they are taken for Latin-1."""
    encodings = (MARKS[mark] for mark in MARKS if content.startswith(mark))
    try:
        return content.decode(next(encodings, "utf-8"))
    except UnicodeDecodeError:
        logging.warning("--class_names=%s is not UTF-8: read as Latin-1.", path)
        # Windows's superset where it can be; five of its bytes mean nothing.
        return content.decode("cp1252", errors="replace")


def checked_class_names(names, source="The checkpoint"):
    """Class names as a tuple; None where they are not known.

    Args:
        names: whatever a checkpoint or a file gives.
        source: where they come from, for messages.

    Raises:
        ConfigError: they are not a list of different texts that can be printed.
    """
    if names is None or (isinstance(names, (list, tuple)) and not names):
        if source != "The checkpoint":
            raise ConfigError(f"{source} must name the classes; it is empty.")
        return None
    advice = "--class_names takes a file with one name a line instead."
    if not isinstance(names, (list, tuple)) or not all(
        isinstance(name, str) for name in names
    ):
        raise ConfigError(
            f"{source} must give its class names as a list of texts; it gives "
            f"{abbreviated(names)}. {advice}"
        )
    for position, name in enumerate(names):
        if not name.strip() or any(category(letter) in UNSEEN for letter in name):
            raise ConfigError(
                f"{source} must give class names that can be printed; that of class "
                f"{position} is {abbreviated(name)}. {advice}"
            )
    first = {}
    for position, name in enumerate(names):
        if first.setdefault(name, position) != position:
            raise ConfigError(
                f"{source} must name each class once; {reprlib.repr(name)} is class "
                f"{first[name]} and {position}. {advice}"
            )
    return tuple(names)


def abbreviated(value):
    """What a value looks like, in a few words, however deep it is."""
    return f"{type(value).__name__} {reprlib.repr(value)[:80]}"
