"""The lock of a folder: one process at a time may write to it."""

import contextlib
import fcntl
import os
import socket

from configs.command.errors import LockedError, StorageError

NAME = ".lock"


@contextlib.contextmanager
def locked(folder):
    """Locks a folder for this process until the end of the `with` statement.

    The kernel frees the lock however the process ends.

    Args:
        folder: the path; created if need be.

    Raises:
        LockedError: another process holds the lock; nothing was changed.
        StorageError: the folder cannot be written, or its file system cannot lock.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StorageError(f"{folder} must be writable: {error}.") from None
    try:
        _acquire(lock, folder)
        with contextlib.suppress(OSError):  # Only a message needs what it holds.
            os.ftruncate(lock, 0)
            os.pwrite(
                lock, f"{socket.gethostname()}, process {os.getpid()}".encode(), 0
            )
        yield
    finally:
        os.close(lock)


def _acquire(lock, folder):
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 200, 0).decode(errors="replace").strip()
        raise LockedError(
            f"{folder} is being written by {holder or 'another process'}; "
            "wait for it to end or choose another --workdir."
        ) from None
    except OSError as error:
        raise StorageError(
            f"{folder} must be on a file system that can lock files: {error}."
        ) from None
