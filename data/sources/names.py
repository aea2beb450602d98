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


def find_file(folder, name, location, listdir=entries):
    """The file of a listed name, and whether it is spelled just so.

    Upper and lower case, and how accents are coded, may differ where only one file is
    meant.

    UCF101's own lists write HandstandPushups/v_HandStandPushups_g01_c01.avi, and
    copies of the data set differ in both parts. A Mac writes the names of files with
    accents apart from their letters, where a list written elsewhere has one character.

    Args:
        folder: the path that the name begins in.
        name: "Class/video.avi".
        location: file and line of the name, for messages.
        listdir: `entries`, or what remembers its answers.

    Returns:
        (path, bool); the path is None where there is no such file.

    Raises:
        DataError: the name may be any of several files; says which.
    """
    path, same = folder, True
    for part in name.split("/"):
        if not os.path.isdir(path):
            return None, same
        found = listdir(path).get(alike(part), {})
        if part not in found and len(found) > 1:
            raise DataError(
                f"{location}: {part!a} may be any of {', '.join(map(ascii, found))} "
                f"in {path}."
            )
        if not found:
            return None, same
        same &= part in found
        path = path / found.get(part, next(iter(found.values())))
    return path, same
