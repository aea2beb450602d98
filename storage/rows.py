"""Log files with one JSON object a line, which a resumed run continues exactly."""

import json

from absl import logging

from configs.command.errors import StorageError
from storage.files import sync, write_atomically


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

    def read(self):
        """All rows, the oldest first, including those that still wait to be written."""
        return [*self._written(), *self._pending]

    def upto(self, step):
        """The rows of updates up to `step`."""
        return [row for row in self.read() if row["step"] <= step]

    def rewind(self, step):
        """Removes rows after `step` and an incomplete last row; returns the rest."""
        rows = self.upto(step)
        content = b"".join(map(_encode, rows))
        if self.path.exists() and self.path.read_bytes() != content:
            write_atomically(self.path, content)
        self._complete = len(content)
        return rows

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
        """The rows of the file up to the first one that is incomplete or damaged."""
        rows = []
        try:
            lines = self.path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return rows
        except OSError as error:
            raise StorageError(f"{self.path} could not be read: {error}.") from error
        for line in lines:
            row = _decode(line)
            if row is None:
                break
            rows.append(row)
        return rows

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
    return json.dumps(row).encode() + b"\n"


def _decode(line):
    """The row in a line, or None if the line is incomplete or damaged."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    whole = line.endswith(b"\n") and isinstance(row, dict)
    return row if whole and isinstance(row.get("step"), int) else None
