"""Lists of names in the encodings that editors save, and names on disk that match."""

import codecs
import os
import unicodedata

from configs.command.errors import DataError

# The longer marks first: UTF-32's begins with UTF-16's.
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_text(file):
    """The text of a list: UTF-8, or what the byte order mark at its start says.

    Bytes that are no UTF-8 are never guessed at: nearly every byte means something in
    nearly every older encoding, and a wrong guess would be a wrong class name.

    Args:
        file: the path.

    Raises:
        DataError: it cannot be read, or its encoding is not known; says how to convert.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from None
    marks = (code for mark, code in MARKS.items() if content.startswith(mark))
    encoding = next(marks, "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{file} must be {encoding.removesuffix('-sig').upper()} text; line {line} "
            f"is not ({error.reason}). Save it as UTF-8, or convert it from what it "
            "is, such as Windows-1252: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW."
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(
            f"{file} must be UTF-8 text; line {line} holds a NUL, as UTF-16 without a "
            "byte order mark does. Convert it: iconv -f UTF-16LE -t UTF-8 OLD > NEW."
        )
    return text


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
