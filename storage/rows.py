"""Log files with one JSON object a line, which a resumed run continues exactly.

The last field of a row, `crc`, is the CRC-32 of the bytes before it, as 8 hex digits:
it finds every bit that flips. Files of older versions have rows without it; those are
taken as they are, with a warning, and get it when the run goes on.
"""

import bisect
import dataclasses
import json
import os
import zlib

from absl import logging

from configs.command.errors import StorageError
from storage.files import sync, write_atomically
from storage.records import Count, check, decode

CHECKSUM = ', "crc": "{:08x}"}}\n'
LENGTH = len(CHECKSUM.format(0))
# What of a checksum is the same in every row.
BEGIN, END = CHECKSUM.encode().split(b"{:08x}")[0], b'"}\n'
FLAT = dict[str, int | float | str | bool | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """What every row holds; a file's own type names what else is read of its rows."""

    step: Count


class Rows:
    """An append-only file of rows, each with a "step".

    A row is written whole or not at all, even to a disk that is full: it then waits in
    memory for the next attempt. Floats are written so that they read back exactly.

    Args:
        path: the file.
        form: the type of a row, as `storage.records` takes it. What it does not name
            is kept as it is.
        key: the number of a row that is larger than those of all rows before it.
    """

    def __init__(self, path, form=Row, key="step"):
        self.path = path
        self.form = form
        self.key = key
        self._pending = []
        self._complete = 0  # Bytes of the file that are whole rows.
        self._file = None  # Which file they are in: its device and inode.
        self._warned = set()

    def read(self):
        """All rows, the oldest first, including those that still wait to be written.

        A damaged row, one of another type or out of order is left out: the run that
        needs it finds that it is lost.
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
        self._file = _identity(self.path)
        return [row for row, _ in kept] + [
            row for row in self._pending if row["step"] <= step
        ]

    def append(self, row):
        """Adds a row; if it cannot be written now, the next call tries again.

        Raises:
            StorageError: the file is no longer the one that the run has written.
        """
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
            self._check_file()
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
        found = [self._read(_unseal, line) for line in lines]
        if not any(map(_is_whole, found)) and any(map(self._is_older, lines)):
            self._warn_once("an older version wrote it: its rows are taken as they are")
            found = [self._read(_older, line) for line in lines]
        whole = [i for i, pair in enumerate(found) if _is_whole(pair)]
        rising = longest_rising([found[i][0][self.key] for i in whole])
        kept = {whole[position] for position in rising}
        # The last line is empty, or a row that was being written.
        lost = [i for i, line in enumerate(lines) if line and i not in kept]
        if lost:
            why = found[lost[0]]
            if _is_whole(why):
                why = f"{self.key} {why[0][self.key]} is out of order"
            self._warn_once(
                f"damaged or incomplete rows are left out, {len(lost)} of them, the "
                f"first in line {lost[0] + 1}: {why}"
            )
        return [found[i] for i in sorted(kept)]

    def _read(self, parse, line):
        """What `parse` makes of a line, or why it is no row of this file, as text."""
        try:
            row, line = parse(line)
            check(row, self.form)
        except ValueError as error:
            return str(error)
        return row, line

    def _is_older(self, line):
        """Whether a line is a row of an older version, which wrote no checksum.

        One whose checksum is damaged is not: all but one byte of what is the same in
        every checksum are in their place.
        """
        tail = line[-LENGTH : len(BEGIN) - LENGTH] + line[-len(END) :]
        same = sum(a == b for a, b in zip(tail, BEGIN + END, strict=False))
        return same < len(BEGIN + END) - 1 and _is_whole(self._read(_older, line))

    def _warn_once(self, problem):
        if problem not in self._warned:
            logging.warning("%s: %s.", self.path, problem)
            self._warned.add(problem)

    def _write(self):
        if not self._pending:
            return
        self._check_file()
        content = b"".join(map(_encode, self._pending))
        with open(self.path, "ab", buffering=0) as file:
            # After a short write the torn row is cut off before it is written again.
            file.truncate(self._complete)
            if file.write(content) != len(content):
                file.truncate(self._complete)
                raise OSError("the disk is full")
        self._complete += len(content)
        self._file = self._file or _identity(self.path)
        self._pending.clear()

    def _check_file(self):
        """Refuses to write where the run's folder, or the file, has been exchanged.

        Another run may write there now, and a hole would take the place of lost rows.
        """
        if self._file is None:
            return
        if _identity(self.path) == self._file:
            if self.path.stat().st_size >= self._complete:
                return
        raise StorageError(
            f"{self.path} was moved, removed or shortened while the run wrote to it. "
            "Put the run's folder back and give the same command again."
        )


def _identity(path):
    """Device and inode of a file; None for one that is not there yet."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino


def longest_rising(numbers):
    """Positions of the longest strictly rising part of some numbers.

    So a number out of order, however large it is, costs itself alone.

    Args:
        numbers: a list.

    Returns:
        The positions, ascending; of equal numbers the first.
    """
    lows, ends = [], []  # The lowest end of a rising part of each length, and where.
    before = [None] * len(numbers)
    for position, number in enumerate(numbers):
        length = bisect.bisect_left(lows, number)
        if length < len(lows) and lows[length] == number:
            continue
        lows[length : length + 1] = [number]
        ends[length : length + 1] = [position]
        before[position] = ends[length - 1] if length else None
    found, position = [], ends[-1] if ends else None
    while position is not None:
        found.append(position)
        position = before[position]
    return found[::-1]


def _is_whole(found):
    return isinstance(found, tuple)


def _encode(row):
    content = json.dumps(row)[:-1].encode()
    return content + CHECKSUM.format(zlib.crc32(content)).encode()


def _unseal(line):
    """(row, line); ValueError if it is incomplete, damaged or without a checksum."""
    content = line[:-LENGTH]
    if line[-LENGTH:] != CHECKSUM.format(zlib.crc32(content)).encode():
        raise ValueError("its checksum is not that of its content")
    return _parse(content + b"}"), line


def _older(line):
    """(row, line with a checksum) of a row without one; ValueError if it is damaged."""
    if not line.endswith(b"\n"):
        raise ValueError("it does not end")
    row = _parse(line)
    return row, _encode(row)


def _parse(content):
    """The flat row that JSON text spells; ValueError if it is none."""
    try:
        return decode(content, FLAT)
    except ValueError as error:
        # NaN and infinities are not JSON.
        if b"NaN" not in content and b"Infinity" not in content:
            raise
        try:
            row = json.loads(content)
        except (ValueError, RecursionError):
            raise error from None
        check(row, FLAT)
        return row
