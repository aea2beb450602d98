"""Log files with one JSON object a line, which a resumed run continues exactly.

The last field of a row, `crc`, is the CRC-32 of the bytes before it, as 8 hex digits:
it finds every bit that flips. Files of older versions have rows without it; those are
taken as they are, with a warning, and get it when the run goes on.
"""

import json
import zlib

from absl import logging

from configs.command.errors import StorageError
from storage.files import sync, write_atomically
from storage.records import decode

CHECKSUM = ', "crc": "{:08x}"}}\n'
LENGTH = len(CHECKSUM.format(0))
# What of a checksum is the same in every row.
BEGIN, END = CHECKSUM.encode().split(b"{:08x}")[0], b'"}\n'
FLAT = dict[str, int | float | str | bool | None]


class Rows:
    """An append-only file of rows, each with a "step".

    A row is written whole or not at all, even to a disk that is full: it then waits in
    memory for the next attempt. Floats are written so that they read back exactly.

    Args:
        path: the file.
    """

    def __init__(self, path):
        self.path = path
        self._pending = []
        self._complete = 0  # Bytes of the file that are whole rows.
        self._warned = set()

    def read(self):
        """All rows, the oldest first, including those that still wait to be written.

        A damaged row is left out: the run that needs it finds that it is lost.
        """
        return [*(row for row, _ in self._written()), *self._pending]

    def upto(self, step):
        """The rows of updates up to `step`."""
        return [row for row in self.read() if row["step"] <= step]

    def rewind(self, step):
        """Removes rows after `step`, damaged ones and an incomplete last one.

        Returns:
            The rest.
        """
        kept = [(row, line) for row, line in self._written() if row["step"] <= step]
        content = b"".join(line for _, line in kept)
        if self.path.exists() and self.path.read_bytes() != content:
            write_atomically(self.path, content)
        self._complete = len(content)
        return [row for row, _ in kept] + [
            row for row in self._pending if row["step"] <= step
        ]

    def append(self, row):
        """Adds a row; if it cannot be written now, the next call tries again."""
        self._pending.append(row)
        try:
            self._write()
        except OSError as error:
            logging.log_every_n_seconds(
                logging.WARNING, "%s cannot be written: %s", 60, self.path, error
            )

    def sync(self):
        """Writes the rows that wait and syncs the file to the disk.

        Raises:
            StorageError: it cannot be written.
        """
        try:
            self._write()
            if self.path.exists():
                sync(self.path)
                sync(self.path.parent)
        except OSError as error:
            raise StorageError(f"{self.path} could not be written: {error}.") from error

    def _written(self):
        """(row, line with its checksum) of every row of the file that is whole."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(f"{self.path} could not be read: {error}.") from error
        lines = [line + b"\n" for line in lines[:-1]] + lines[-1:]
        pairs = [_unseal(line) for line in lines]
        if not any(pairs) and any(map(_is_older, lines)):
            self._warn_once("an older version wrote it: its rows are taken as they are")
            pairs = [_older(line) for line in lines]
        # The last line is empty, or a row that was being written.
        damaged = [i for i, pair in enumerate(pairs) if lines[i] and pair is None]
        if damaged:
            self._warn_once(
                f"damaged or incomplete rows are left out, {len(damaged)} of them, the "
                f"first in line {damaged[0] + 1}"
            )
        return [pair for pair in pairs if pair is not None]

    def _warn_once(self, problem):
        if problem not in self._warned:
            logging.warning("%s: %s.", self.path, problem)
            self._warned.add(problem)

    def _write(self):
        if not self._pending:
            return
        content = b"".join(map(_encode, self._pending))
        with open(self.path, "ab", buffering=0) as file:
            # After a short write the torn row is cut off before it is written again.
            file.truncate(self._complete)
            if file.write(content) != len(content):
                file.truncate(self._complete)
                raise OSError("the disk is full")
        self._complete += len(content)
        self._pending.clear()


def _encode(row):
    content = json.dumps(row)[:-1].encode()
    return content + CHECKSUM.format(zlib.crc32(content)).encode()


def _unseal(line):
    """(row, line), or None if the line is incomplete, damaged or without a checksum."""
    content = line[:-LENGTH]
    if line[-LENGTH:] != CHECKSUM.format(zlib.crc32(content)).encode():
        return None
    row = _parse(content + b"}")
    return row and (row, line)


def _is_older(line):
    """Whether a line is a row of an older version, which wrote no checksum.

    One whose checksum is damaged is not: all but one byte of what is the same in every
    checksum are in their place.
    """
    tail = line[-LENGTH : len(BEGIN) - LENGTH] + line[-len(END) :]
    same = sum(a == b for a, b in zip(tail, BEGIN + END, strict=False))
    return same < len(BEGIN + END) - 1 and _older(line) is not None


def _older(line):
    """(row, line with a checksum) of a row without one, or None if it is damaged."""
    row = _parse(line) if line.endswith(b"\n") else None
    return row and (row, _encode(row))


def _parse(content):
    """The row that JSON text spells, or None if it is none: flat, with a step."""
    try:
        row = decode(content, FLAT)
    except ValueError:
        row = _parse_not_finite(content)
    step = row and row.get("step")
    return row if type(step) is int and step >= 0 else None


def _parse_not_finite(content):
    """As `_parse`, of a row with NaN or infinities, which are not JSON."""
    try:
        row = json.loads(content)
    except (ValueError, RecursionError):
        return None
    flat = isinstance(row, dict) and not any(
        isinstance(value, list | dict) for value in row.values()
    )
    return row if flat else None
