"""What all workers of a run must share: its folder, its options, its code."""

import contextlib
import dataclasses

from storage.lock import holder
from storage.run_folder import RunFolder, flatten
from strategy.environment import versions

# Options that may differ from worker to worker.
OWN = {"data.root", "data.threads", "runtime.cluster"}


@contextlib.contextmanager
def open_folder(path, workers):
    """Opens a run's folder, which the chief locks and all other workers must see.

    Args:
        path: the folder.
        workers: the `Workers` of the run.

    Yields:
        The `RunFolder`.

    Raises:
        LockedError: another run is writing to it; on the chief.
        StorageError: it cannot be written, or this worker does not see it.
    """
    folder = RunFolder(path)
    if not workers.is_chief:
        folder.check_seen(workers.share("lock"))
        yield folder
        return
    with folder.locked():
        workers.share("lock", holder(folder.path))
        yield folder


def check_same(config, workers):
    """Checks that all workers run the same code with the same options.

    Args:
        config: the `Experiment` of this worker.
        workers: the `Workers` of the run.

    Raises:
        ConfigError: on all workers; it names what differs.
    """
    if workers.count == 1:
        return
    workers.compare("installation", flatten(versions()))
    options = flatten(dataclasses.asdict(config))
    workers.compare("options", {k: v for k, v in options.items() if k not in OWN})
