"""What all workers of a run must share: its folder, its options, its code."""

import contextlib
import dataclasses
import time

from absl import logging

from configs.command.errors import StorageError
from storage.run_folder import RunFolder, flatten
from strategy.environment import code_sha256, versions

# Options that may differ from worker to worker.
OWN = {"data.root", "data.threads", "runtime.cluster"}
# Seconds. A file server keeps the lock of a machine that died until its lease ends; a
# client believes for half a minute or more that what was not there is not there.
LOCKED, UNSEEN = 300.0, 90.0


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
    if not workers.is_chief:
        signature = workers.share("lock")
        folder = RunFolder(path)  # Which looks: not before it is there.
        check_seen(folder, signature, workers)
        yield folder
        return
    folder = RunFolder(path)
    with lock_folder(folder, workers):
        if workers.count > 1 and not folder.signature:
            raise StorageError(
                f"{folder.path} must be writable; it could not be signed."
            )
        workers.share("lock", folder.signature)
        yield folder


def lock_folder(folder, workers):
    """Locks a run's folder; one of several workers waits for it some minutes.

    A machine of the run's may have died, and the file server not have noticed.

    Args:
        folder: the `RunFolder`.
        workers: the `Workers` of the run.

    Returns:
        A context; see `storage.lock.locked`, also for what it raises.
    """
    wait = LOCKED if workers.count > 1 else 0.0
    return folder.locked(wait=wait, meanwhile=workers.alive)


def check_seen(folder, signature, workers):
    """Checks that this worker sees the folder that the chief has locked.

    Args:
        folder: the `RunFolder`, as this worker sees it.
        signature: what the chief has written into its lock.
        workers: the `Workers` of the run.

    Raises:
        StorageError: it sees another folder, or none.
    """
    deadline, told = time.monotonic() + UNSEEN, False
    while not folder.is_seen(signature):
        if time.monotonic() >= deadline:
            raise StorageError(
                f"{folder.path} must be a folder that all workers see, for instance on "
                f"NFS; what the chief has written there, {signature!r}, cannot be read "
                f"by {workers}."
            )
        if not told:
            logging.warning(
                "%s is not yet what the chief sees: waiting for %g seconds at most.",
                folder.path,
                UNSEEN,
            )
            told = True
        workers.alive()
        time.sleep(min(1.0, UNSEEN))


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
    installed = flatten(versions())
    # It may be of a test or a page, and is not known where git took too long.
    del installed["modified"]
    # An image holds no commit but the one that its builder named.
    installed["code"] = code_sha256()
    workers.compare("installation", installed)
    options = flatten(dataclasses.asdict(config))
    workers.compare("options", {k: v for k, v in options.items() if k not in OWN})
