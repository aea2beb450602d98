"""A folder of TensorBoard event files that shows each step once, whatever restarts.

An event file can only grow, so what a restarted run does again stands in it already.
Each start therefore begins a file of its own, whose first record says from which step
on it takes the place of the files before it: TensorBoard's mark of a restarted session,
for which all its readers drop what they have read of these steps.
"""

import dataclasses
import io
import json
import os
import re
import socket
import time
from typing import Literal

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from configs.command.errors import StorageError
from storage.files import remove, write_atomically
from storage.records import Count, decode

# TensorBoard reads files in the order of their names.
NAME = "events.out.tfevents.{number:010d}.{host}.{process}"
NUMBER = re.compile(r"events\.out\.tfevents\.([0-9]{10})\.")
WRITTEN = "written.json"
FORM = 2  # Of what is written: where a run began with another, all is written again.
# What the methods of `EventFiles` raise where they cannot write.
FAILURES = (OSError, StorageError)


@dataclasses.dataclass(frozen=True)
class Written:
    """What the event files are known to hold.

    Attributes:
        form: which tags there are, and where.
        step: every step before this one, and this one's scalars of training.
        files: the bytes of each file at that moment.
    """

    form: Literal[FORM]
    step: Count
    files: dict[str, Count]


class EventFiles:
    """The event files of one run.

    Args:
        path: the folder.
    """

    def __init__(self, path):
        self.path = path
        self._file = None
        self._known = {}

    def written(self):
        """The `Written` of the last `sync`; None if files have since gone or shrunk."""
        try:
            written = decode((self.path / WRITTEN).read_bytes(), Written)
            return None if self._lost(written.files) else written
        except (OSError, ValueError):
            return None

    def clear(self):
        """Removes all of them, and nothing else that lies in the folder."""
        for path in self.path.glob("*tfevents*"):
            remove(path)
        remove(self.path / WRITTEN)

    def begin(self, step):
        """Begins a file that takes the place of all scalars of `step` and later ones.

        Raises:
            OSError: it cannot be written.
        """
        self._close()
        self.path.mkdir(parents=True, exist_ok=True)
        numbers = [int(match[1]) for match in map(NUMBER.match, self._sizes()) if match]
        name = NAME.format(
            number=max(int(time.time()), 1 + max(numbers, default=0)),
            host=socket.gethostname(),
            process=os.getpid(),
        )
        self._file = open(self.path / name, "xb", buffering=0)
        try:
            # Readers understand the mark from this version of the format on.
            self._write(step, file_version="brain.Event:2")
            self._write(step, session_log=SessionLog(status=SessionLog.START))
            self._known = self._sizes()
        except OSError:
            self._close()
            remove(self.path / name)
            raise

    def add(self, step, scalars):
        """Writes scalars of a step.

        Args:
            step: updates done.
            scalars: tag -> number.

        Raises:
            OSError: they could not be written; nothing may be added to this file.
        """
        # Of the two forms of a scalar, the one that every reader drops at a restart.
        self.show(
            step,
            *(Summary.Value(tag=tag, simple_value=v) for tag, v in scalars.items()),
        )

    def show(self, step, *values):
        """Writes other values of a step, as pictures.

        Args:
            step: updates done.
            *values: each a `Summary.Value`.

        Raises:
            OSError: see `add`.
        """
        self._write(step, summary=Summary(value=values))

    def sync(self, step):
        """Writes all to the disk, and notes that nothing up to `step` is missing.

        Raises:
            OSError: it could not be written, or a file has gone or shrunk since it was
                begun; StorageError: the note could not be written.
        """
        os.fsync(self._file.fileno())
        lost = self._lost(self._known)
        if lost:
            raise OSError(f"{self.path / lost[0]} has been removed or cut off")
        self._note(step)

    def rewind(self, step):
        """Notes that what comes after `step` is about to be replaced."""
        try:
            self._note(step)
        except StorageError:  # Without a note, the next start writes all again.
            remove(self.path / WRITTEN)

    def _note(self, step):
        note = {"form": FORM, "step": step, "files": self._sizes()}
        write_atomically(self.path / WRITTEN, json.dumps(note) + "\n")

    def _lost(self, known):
        """The names of files that have gone, or are shorter than they were."""
        sizes = self._sizes()
        return [name for name, size in known.items() if sizes.get(name, -1) < size]

    def _sizes(self):
        """The bytes of each event file."""
        paths = self.path.glob("*tfevents*")
        return {path.name: path.stat().st_size for path in paths}

    def _write(self, step, **content):
        event = Event(step=step, wall_time=time.time(), **content)
        record = io.BytesIO()
        RecordWriter(record).write(event.SerializeToString())
        if self._file.write(record.getvalue()) != record.tell():
            raise OSError("the disk is full")

    def _close(self):
        if self._file is not None:
            self._file.close()
            self._file = None
