"""Whether a folder's disk has room for a run, and how long it takes to be safe."""

import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from configs.command.findings import note, ok, wrong

GB = 1e9
BLOCK, FILES = 2**20, 5
SLOW = 1.0  # seconds


def check_disk(folder, needed, clock=time.perf_counter):
    """Finds whether a run's folder has room, can be written, and how fast it syncs.

    Writes files of 1 MiB beside what is there and removes them. A folder that is not
    there yet is not made: the one in which it would be is looked at.

    Args:
        folder: the path.
        needed: bytes that the run's checkpoints will take.
        clock: function that returns seconds.

    Yields:
        `Finding`.
    """
    subject = f"disk of {folder}"
    try:
        place = nearest_folder(Path(folder).absolute())
        free = shutil.disk_usage(place).free
        seconds = _sync_seconds(place, clock)
    except OSError as error:
        yield wrong(
            f"{subject}: cannot be written: {error}.",
            "Free it, or give another --workdir.",
        )
        return
    text = f"{subject}: {free / GB:.1f} GB free, checkpoints take {needed / GB:.3f} GB."
    if free < needed:
        yield wrong(text, "Free it, keep fewer (--checkpoints.keep), or move the run.")
    else:
        yield ok(text)
    text = f"{subject}: 1 MiB is safe on it after {1000 * seconds:.1f} ms (fsync)."
    if seconds > SLOW:
        yield wrong(
            f"{text} Training stands still while a checkpoint is made safe.",
            "Use a faster disk for --workdir.",
        )
    else:
        yield ok(text)


def no_disk():
    """What is said where no folder is given."""
    return note("disk: not checked, --workdir is not given.")


def nearest_folder(folder):
    """A folder, or the nearest one around it that is there."""
    while not folder.is_dir():
        folder = folder.parent
    return folder


def _sync_seconds(folder, clock):
    """Median seconds until a file of 1 MiB is on the disk."""
    content, durations = os.urandom(BLOCK), []
    for _ in range(FILES):
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".check.") as file:
            begin = clock()
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            durations.append(clock() - begin)
    return statistics.median(durations)
