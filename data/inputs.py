"""The video files that the arguments of a command name."""

import glob
import os
from pathlib import Path

from absl import logging

from configs.command.errors import DataError
from data.sources.tree import walk

STANDARD_INPUT = "-"


def find_inputs(arguments, lines=()):
    """The files that are meant, in the order of the arguments.

    Args:
        arguments: list of str. A file is itself, whatever its ending; a folder stands
            for every video below it, by their endings, sorted; a pattern such as
            "videos/**/*.mp4", where nothing is called so, for the files that it fits,
            sorted; "-" for the files that the lines name.
        lines: of bytes, such as those of standard input, a path on each, or NUL behind
            each, as `find -print0` prints them. They are read where "-" is among the
            arguments.

    Returns:
        list of str. A path where nothing is stays: whoever reads it says so.

    Raises:
        DataError: nothing is meant, or a folder cannot be listed.
    """
    found = []
    for argument in arguments:
        if argument == STANDARD_INPUT:
            found += _listed(b"".join(lines))
        elif os.path.isdir(argument):
            found += _below(argument)
        elif glob.has_magic(argument) and not os.path.lexists(argument):
            found += _matching(argument)
        else:
            found.append(argument)
    if not found:
        raise DataError(f"There is no video in {', '.join(arguments)}.")
    return found


def _below(folder):
    """The videos in a folder; a warning where there are none."""
    paths = [path for _, path in walk(folder)]
    if not paths:
        logging.warning("%s holds no video, by the endings of its files.", folder)
    return paths


def _listed(content):
    """The paths in a list."""
    names = content.split(b"\0") if b"\0" in content else content.splitlines()
    return [os.fsdecode(name) for name in names if name]


def _matching(pattern):
    """The files that a pattern fits, but for hidden ones; itself where it fits none.

    Links to folders are not followed by `**`, since they may lead round in a circle.
    """
    path = Path(pattern)
    base = Path(path.anchor)  # "" of a relative one
    fitting = base.glob(str(path.relative_to(path.anchor)))
    asked = set(path.parts)
    found = [
        str(file)
        for file in fitting
        if file.is_file()
        and not any(p.startswith(".") and p not in asked for p in file.parts)
    ]
    return sorted(found) or [pattern]
