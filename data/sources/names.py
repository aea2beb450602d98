"""Lists of names in the encodings that editors save, and names on disk that match."""

import os
import unicodedata

from configs.command.errors import DataError
from storage.text import decode_text


def read_list(file):
    """The text of a list, in any encoding that is beyond doubt.

    Args:
        file: the path.

    Raises:
        DataError: it cannot be read, or its encoding is not known; says how to convert.
    """
    try:
        return decode_text(file.read_bytes())
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise DataError(f"{file} must be UTF-8 text; {error}") from None


def alike(name):
    """The form that names share which differ only in case or in how they are coded.

    Unicode's canonical caseless matching (The Unicode Standard, D145): an accented
    letter is one character where Linux and Windows type it and two where a Mac stores
    it in a file name.
    """
    if name.isascii():
        return name.lower()
    folded = unicodedata.normalize("NFD", name).casefold()
    return unicodedata.normalize("NFD", folded)


def entries(folder):
    """The names in a directory: their common form -> {name: the name as Python has it}.

    File names are bytes, and UTF-8 here whatever the locale says; those that are not
    match no listed name. Where the locale is UTF-8 the two names are the same.

    Args:
        folder: the path.

    Raises:
        DataError: it cannot be listed.
    """
    names = {}
    try:
        found = os.listdir(os.fsencode(folder))
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error.strerror}.") from None
    for entry in found:
        name = entry.decode("utf-8", "surrogateescape")
        names.setdefault(alike(name), {})[name] = os.fsdecode(entry)
    return names
