"""Names and messages from outside, made fit to be shown."""

import unicodedata

# Control, format, surrogate, and the separators of lines and paragraphs: a terminal
# would obey them, hide them, turn the text round after them, or fail.
UNSHOWABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# Format characters that scripts and emoji are spelled with.
JOINERS = {"\N{ZERO WIDTH NON-JOINER}", "\N{ZERO WIDTH JOINER}"}


def printable(text, keep=""):
    r"""Text that a terminal shows as it stands, on one line.

    Control characters (a newline, the escape that starts a colour), invisible ones,
    those that turn the direction of writing, and bytes of a file name that are no text
    become escapes such as \n, \x1b, \u202e and \udcff. Everything else stays.

    Args:
        text: str, or what becomes one.
        keep: characters that stay in any case.
    """
    text = str(text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c in keep or _is_showable(c) else c.encode("unicode_escape").decode()
        for c in text
    )


def _is_showable(character):
    return character in JOINERS or unicodedata.category(character) not in UNSHOWABLE


def first_line(error):
    """The first line of an error or a text, without a full stop; else its kind."""
    line = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def counted(number, noun):
    """A number and its noun, which has an s unless it is one: "1 view", "3 views"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def say(text, file=None):
    """Prints a line that may hold names, whatever they are made of.

    Args:
        text: the line.
        file: where to; None is standard output.
    """
    print(printable(text), file=file)
