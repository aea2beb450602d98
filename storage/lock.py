"""Locks of a folder and of a file: one process at a time may write to it."""

import contextlib
import fcntl
import math
import os
import re
import socket
import time
import uuid

from absl import logging

from configs.command.errors import LockedError, StorageError

NAME = ".lock"
# Who holds a lock, and a number of this one time; an older version wrote none.
SIGNATURE = re.compile(rb"([^\n]+, process [0-9]+)(, lock [0-9a-f]{32})?")
PAUSE = 0.25  # seconds between two tries


@contextlib.contextmanager
def locked(folder, *, wait=0.0, meanwhile=lambda: None):
    """Locks a folder for this process until the end of the `with` statement.

    The kernel frees the lock however the process ends; that of a file server does so
    when it has noticed that a machine is gone.

    Args:
        folder: the path; created if need be.
        wait: seconds to wait while another process holds the lock; `math.inf` for work
            of seconds that another may be doing at the same moment.
        meanwhile: called while it is waited for.

    Yields:
        What was written into the lock's file, which no other lock has ever had; "" if
        it could not be written.

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
        _acquire(lock, folder, wait, meanwhile)
        yield _sign(lock)
    finally:
        os.close(lock)


@contextlib.contextmanager
def claimed(target):
    """Makes this process the only one that writes a file or folder until the end.

    The lock is a file beside the target, and is removed with the claim. On a file
    system that cannot lock files the claim is none.

    Args:
        target: the path; the folder that it lies in exists.

    Raises:
        LockedError: another process is writing it; nothing was changed.
        OSError: the folder cannot be written.
    """
    path = claim_of(target)
    lock = hold(path)
    if lock is None:
        raise LockedError(
            f"{target} is being written by {_holder(path.read_bytes())}; wait for it "
            "to end or choose another output."
        )
    try:
        _sign(lock)
        yield
    finally:
        release(lock, path)


def claim_of(target):
    """The file that is locked while a target is written."""
    return target.with_name(f".{target.name}.claim")


def hold(path, *, required=False):
    """Locks a file, which is created if need be.

    Args:
        path: the file.
        required: whether a file system that cannot lock files is an error.

    Returns:
        Its open descriptor; None where another process has locked it.

    Raises:
        OSError: it cannot be opened, or not be locked and this was required.
    """
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        except OSError:
            if required:
                os.close(lock)
                raise
        # Its holder may have removed it meanwhile: then it locks nothing.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), os.stat(path)):
                return lock
        os.close(lock)


def release(lock, path):
    """Removes a file that this process has locked, then frees the lock."""
    with contextlib.suppress(OSError):
        os.unlink(path)
    os.close(lock)


def _acquire(lock, folder, wait, meanwhile):
    deadline, told = time.monotonic() + wait, False
    while not _try(lock, folder):
        name = _holder(os.pread(lock, 200, 0))
        if time.monotonic() >= deadline:
            raise LockedError(
                f"{folder} is being written by {name}; wait for it to end or choose "
                "another folder."
            )
        if not told:
            most = "" if wait == math.inf else f" for {wait / 60:g} minutes at most"
            logging.warning("%s is being written by %s: waiting%s.", folder, name, most)
            told = True
        meanwhile()
        time.sleep(PAUSE)


def _try(lock, folder):
    """Locks a file unless another process has locked it; whether it did."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StorageError(
            f"{folder} must be on a file system that can lock files: {error}."
        ) from None
    return True


def signature(folder):
    """What the last one that locked a folder wrote into its lock; "" if nobody did."""
    try:
        return (folder / NAME).read_bytes().decode(errors="replace")
    except OSError:
        return ""


def is_signed(content):
    """Whether the content of a file is what a lock of ours holds."""
    return bool(SIGNATURE.fullmatch(content))


def _sign(lock):
    """Writes who holds a lock into its file; returns what was written, or ""."""
    text = f"{socket.gethostname()}, process {os.getpid()}, lock {uuid.uuid4().hex}"
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, text.encode(), 0)
        os.fsync(lock)  # Other machines may read it.
    except OSError:
        return ""
    return text


def _holder(content):
    """Whom the content of a lock's file names, in words."""
    match = SIGNATURE.fullmatch(content)
    content = match[1] if match else content
    return content.decode(errors="replace").strip() or "another process"
