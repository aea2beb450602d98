"""Text in the encodings that editors save, and names of files as text."""

import codecs
import os
import re

# The longer marks first: UTF-32's begins with UTF-16's.
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
DOS_END = re.compile(r"\x1a[\s\x1a]*\Z")
ESCAPE = re.compile(rb"\\(?:\\|x([0-9a-f]{2}))")


def decode_text(content):
    """Bytes as text: UTF-8, or what the byte order mark at the start says.

    Bytes that are no UTF-8 are never guessed at: nearly every byte means something in
    nearly every older encoding, and a wrong guess would be a wrong class name.

    Args:
        content: of a file.

    Raises:
        ValueError: the encoding is not known; names the line and says how to convert.
    """
    marks = (code for mark, code in MARKS.items() if content.startswith(mark))
    try:
        text = content.decode(next(marks, "utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"line {line} is not ({error.reason}). Save it as UTF-8, or convert it "
            "from what it is, such as Windows-1252: iconv -f WINDOWS-1252 -t UTF-8 OLD "
            "> NEW."
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(
            f"line {line} holds a NUL, as UTF-16 without a byte order mark does. "
            "Convert it: iconv -f UTF-16LE -t UTF-8 OLD > NEW."
        )
    # Editors of DOS end a file so.
    return DOS_END.sub("", text)


def escaped(path):
    """A path as text that is Unicode whatever bytes it has; no two have the same.

    Args:
        path: str; a backslash becomes two, a byte that is not UTF-8 becomes \\xff.
    """
    return os.fsencode(path.replace("\\", "\\\\")).decode("utf-8", "backslashreplace")


def unescaped(text):
    """The path of which `escaped` made a text.

    Args:
        text: str.
    """

    def original(found):
        return bytes.fromhex(found[1].decode()) if found[1] else b"\\"

    return os.fsdecode(ESCAPE.sub(original, text.encode()))
