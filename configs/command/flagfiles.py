"""Flagfiles: --flagfile=FILE stands for the flags that the file holds, one a line."""

import codecs
import os
from pathlib import Path

from absl import flags

DIRECTIVES = ("--flagfile", "-flagfile")
COMMENTS = ("#", "//")


def with_flagfiles(arguments):
    """The command line with the lines of each flagfile in the place of its name.

    absl, which does so too, reads a file as the locale has it, and with its byte order
    mark; it finds none left to read. Files are UTF-8 here, and may name others.

    Args:
        arguments: of the command line, without the program.

    Returns:
        list of str.

    Raises:
        flags.Error: a file cannot be read, is not UTF-8, or includes itself.
    """
    expanded, rest = [], list(arguments)
    while rest:
        argument = rest.pop(0)
        name, equals, value = argument.partition("=")
        if argument == "--":  # Whatever follows is no flag.
            return [*expanded, argument, *rest]
        if name not in DIRECTIVES:
            expanded.append(argument)
            if not equals and rest and _takes_a_value(name):
                expanded.append(rest.pop(0))
        elif equals or rest:
            expanded += _lines(value if equals else rest.pop(0), ())
        else:
            raise flags.Error("--flagfile must name a file; received nothing.")
    return expanded


def _takes_a_value(name):
    name = name.lstrip("-")
    return name in flags.FLAGS and not flags.FLAGS[name].boolean


def _lines(name, includers):
    """The flags in a file and in those that it names."""
    path = Path(os.path.expanduser(name.strip()))
    if path in includers:
        raise flags.Error(f"The flagfile {path} includes itself.")
    lines = []
    for line in map(str.strip, _read(path).splitlines()):
        directive, _, value = line.partition("=")
        if directive in DIRECTIVES:
            lines += _lines(value, (*includers, path))
        elif line and not line.startswith(COMMENTS):
            lines.append(line)
    return lines


def _read(path):
    try:
        content = path.read_bytes()
        return content.removeprefix(codecs.BOM_UTF8).decode()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise flags.Error(
            f"--flagfile must name a file of flags in UTF-8; {path} cannot be read: "
            f"{reason}."
        ) from None
