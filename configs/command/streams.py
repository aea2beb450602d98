"""Standard streams that cannot end a program: closed, broken, missing or full.

`protect` lets lines that cannot be written go; the exit code is then the same as if
they had been read. Where the lines are what the program is for, `produce` writes them:
a full disk below `> file` is then an error, and a reader that has left ends it. What
`standard_input` gives waits for what has not come yet.
"""

import io
import os
import select
import sys

from absl import logging

from configs.command.errors import StorageError
from configs.command.text import printable


class Forgiving(io.FileIO):
    """A standard stream's file; what it cannot take is dropped.

    Attributes:
        error: why something was dropped, the first time; None as long as all was taken.
    """

    error = None

    def write(self, data):
        """Writes, or drops the data and remembers why."""
        try:
            while (written := super().write(data)) is None:  # It must not block.
                select.select([], [self], [])
            return written
        except OSError as error:
            self.error = self.error or error
            return len(data)


class Patient(io.FileIO):
    """Standard input's file; a read waits for what has not come yet.

    Whoever shares the pipe or terminal may have said that it must not block: a reader
    would then take what has not come for the end.
    """

    def readinto(self, buffer):
        """Reads what there is, at least a byte, or nothing at the end."""
        while (count := super().readinto(buffer)) is None:
            select.select([self], [], [])
        return count


def standard_input():
    """Standard input, in bytes."""
    return io.BufferedReader(Patient(0, "rb", closefd=False))


def protect():
    """Makes the standard streams of this process safe to write to, whatever they are.

    Descriptors that the process was started without are opened on the null device: a
    file opened later must not take the place of standard output. What the encoding of
    a stream lacks is written as an escape such as \\xe9.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free descriptor is this one.
            os.open(os.devnull, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)
            os.set_inheritable(descriptor, True)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None or _is_of(stream, descriptor):
            setattr(sys, name, _forgiving(stream, descriptor))
    logging.get_absl_handler().python_handler.stream = sys.stderr


def produce(*lines):
    """Writes lines of a program's product to standard output, at once.

    Names in them are shown as `printable` shows them.

    Raises:
        SystemExit: nobody reads any more; the exit code is 0.
        StorageError: they cannot be written.
    """
    print(*map(printable, lines), sep="\n", flush=True)
    error = getattr(_file(sys.stdout), "error", None)
    if isinstance(error, BrokenPipeError):
        raise SystemExit(0)
    if error is not None:
        raise StorageError(f"Standard output cannot be written: {error}.") from error


def _file(stream):
    """The file below a text stream; None where there is none."""
    return getattr(getattr(stream, "buffer", None), "raw", None)


def _is_of(stream, descriptor):
    """Whether a stream writes to the descriptor, and is not protected yet."""
    try:
        ours = stream.fileno() == descriptor
    except (OSError, ValueError, AttributeError):
        return False
    return ours and not isinstance(_file(stream), Forgiving)


def _forgiving(stream, descriptor):
    """A stream like the one that is there, if any, over a `Forgiving` file."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    raw = Forgiving(descriptor, "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=descriptor == 2 or raw.isatty(),
    )
