"""Whether all workers see one folder."""

import os
import tempfile
from pathlib import Path

from configs.command.findings import ok, wrong
from storage.disk import nearest_folder


def check_folder(workers, folder):
    """Finds whether all workers see what the chief writes to a run's folder.

    Args:
        workers: the `Workers`, all of which call this.
        folder: the path, as this worker is given it; where it is not there yet, the one
            in which it would be is looked at.

    Yields:
        `Finding`; none of a worker alone, or where the chief cannot write.
    """
    if workers.count == 1:
        return
    folder = Path(folder).absolute()
    if workers.is_chief:
        yield from _written(workers, folder)
        return
    name = workers.share("file in the run's folder")
    seen = name is None or os.path.exists(os.path.normpath(folder / name))
    workers.gather("file is seen", seen)
    if not seen:
        yield wrong(
            f"folder: {folder} is another one than the chief's.",
            "Give a --workdir that all workers see, for instance on NFS.",
        )


def _written(workers, folder):
    """The chief's part: a file, which is there until all have looked."""
    try:
        file = tempfile.NamedTemporaryFile(dir=nearest_folder(folder), prefix=".check.")
    except OSError:
        workers.share("file in the run's folder")  # See what is said of the disk.
        workers.gather("file is seen", True)
        return
    with file:
        workers.share("file in the run's folder", os.path.relpath(file.name, folder))
        if all(workers.gather("file is seen", True)):
            yield ok(f"folder: all {workers.count} workers see {folder}.")
