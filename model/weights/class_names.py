"""Names of classes, from a file of them or from a checkpoint."""

import reprlib
from pathlib import Path
from unicodedata import category

from configs.command.errors import ConfigError
from storage.text import decode_text

# The longest known lists have some thousand names of a few dozen letters.
LARGEST_FILE = 16 * 2**20
UNSEEN = ("Cc", "Cs")  # control characters, halves of surrogate pairs


def read_class_names(path):
    """One class name a line, in the order of the labels; empty lines do not count.

    The file may be UTF-8, with or without a byte order mark, or UTF-16 with one.

    Raises:
        ConfigError: it cannot be read, is no text, or names a class twice.
    """
    try:
        if Path(path).stat().st_size > LARGEST_FILE:
            raise ConfigError(
                f"--class_names must be a list of names; {str(path)!r} is larger than "
                f"{LARGEST_FILE >> 20} MiB."
            )
        text = decode_text(Path(path).read_bytes())
    except OSError as error:
        raise ConfigError(f"--class_names must be a readable file: {error}.") from error
    except ValueError as error:
        raise ConfigError(f"--class_names={path} must be UTF-8 text; {error}") from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    names = tuple(line.strip() for line in lines if line.strip())
    return checked_class_names(names or [], f"--class_names={path}")


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
