"""The video files that the arguments of a command name."""

import glob
import os
from pathlib import Path

from absl import logging

from configs.command.errors import DataError
from data.sources.tree import walk

STANDARD_INPUT = "-"
CHUNK = 1 << 16  # bytes of a list that are read at once, at most


def find_inputs(arguments, stream=None):
    """The files that are meant, in the order of the arguments.

    Args:
        arguments: list of str. A file is itself, whatever its ending; a folder stands
            for every video below it, by their endings, sorted; a pattern such as
            "videos/**/*.mp4", where nothing is called so, for the files that it fits,
            sorted; "-" for the files that the stream names.
        stream: of bytes, such as standard input: a path on each line, or NUL behind
            each, as `find -print0` prints them. It is read where "-" is among the
            arguments, as the paths are wanted.

    Yields:
        str, each as soon as it is known. A path where nothing is stays: whoever reads
        it says so.

    Raises:
        DataError: nothing is meant, a folder cannot be listed, or the stream cannot be
            read or ends paths in both ways.
    """
    found = False
    for argument in arguments:
        for path in _meant(argument, stream):
            found = True
            yield path
    if not found:
        raise DataError(f"There is no video in {', '.join(arguments)}.")


def _meant(argument, stream):
    """The files that one argument stands for."""
    if argument == STANDARD_INPUT:
        return _listed(stream)
    if os.path.isdir(argument):
        return _below(argument)
    if glob.has_magic(argument) and not os.path.lexists(argument):
        return _matching(argument)
    return [argument]


def _below(folder):
    """The videos in a folder; a warning where there are none."""
    paths = [path for _, path in walk(folder)]
    if not paths:
        logging.warning("%s holds no video, by the endings of its files.", folder)
    return paths


def _listed(stream):
    """Yields the paths in a list, as they come."""
    rest, end = b"", None
    while chunk := _read(stream):
        rest += chunk
        if end is None:  # Before the first end of a line, a NUL may have come, or not.
            end = next((mark for mark in (b"\0", b"\n") if mark in rest), None)
        if end == b"\n" and b"\0" in chunk:
            raise DataError(
                "The list must end every path with a line's end, or every path with "
                "NUL; received both."
            )
        if end:
            *names, rest = rest.split(end)
            yield from _decoded(names, end)
    yield from _decoded([rest], end)


def _read(stream):
    """Some more bytes of a list, as soon as there are any; none at its end."""
    try:
        return stream.read1(CHUNK)
    except OSError as error:
        raise DataError(f"The list cannot be read: {error.strerror}.") from error


def _decoded(names, end):
    """The paths in pieces of a list, of which some are empty."""
    if end != b"\0":
        names = [name.removesuffix(b"\r") for name in names]
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
