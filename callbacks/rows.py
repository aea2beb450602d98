"""Files of one JSON object a line that go on exactly where a resumed run does."""

import json
import os

from absl import logging

from callbacks.folder import write_atomically


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
        """All whole rows, oldest first; what follows a torn row is not there."""
        rows = []
        try:
            lines = self.path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return rows
        for line in lines:
            try:
                rows.append(json.loads(line))
            except ValueError:
                return rows
            if not line.endswith(b"\n"):
                return rows[:-1]
        return rows

    def rewind(self, step):
        """Drops every row after `step`, and a torn last row; returns the others."""
        rows = [row for row in self.read() if row["step"] <= step]
        content = b"".join(map(_encode, rows))
        if self.path.exists() and self.path.read_bytes() != content:
            write_atomically(self.path, content)
        self._complete = len(content)
        return rows

    def append(self, row):
        """Adds a row; where it cannot be written it is kept for the next call."""
        self._pending.append(row)
        try:
            self._write()
        except OSError as error:
            logging.log_every_n_seconds(
                logging.WARNING, "%s cannot be written: %s", 60, self.path, error
            )

    def sync(self):
        """Writes what waits and syncs the file to the disk.

        Raises:
          OSError: it cannot be written.
        """
        self._write()
        if self.path.exists():
            with open(self.path, "rb") as file:
                os.fsync(file.fileno())

    def _write(self):
        if not self._pending:
            return
        content = b"".join(map(_encode, self._pending))
        with open(self.path, "ab", buffering=0) as file:
            # After a short write the torn row is cut off before it is written again.
            file.truncate(self._complete)
            if file.write(content) != len(content):
                file.truncate(self._complete)
                raise OSError(f"{self.path}: the disk is full")
        self._complete += len(content)
        self._pending.clear()


def _encode(row):
    return json.dumps(row).encode() + b"\n"
