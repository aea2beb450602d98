"""Folders that are this user's own, for what must not have been planted by another."""

import contextlib
import os
import stat
from pathlib import Path

from configs.command.errors import ConfigError, StorageError

OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def user_cache(*names):
    """The path of a folder below the user's cache folder; nothing is made or checked.

    Args:
        *names: its names below this project's part of the cache folder.

    Raises:
        ConfigError: the user has no home folder.
    """
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(cache):  # The specification says to ignore it then.
        cache = os.path.expanduser("~/.cache")
    if not os.path.isabs(cache):
        raise ConfigError("HOME or XDG_CACHE_HOME must name a folder by its full path.")
    return Path(cache, "video-swin-finetuning", *names)


def private_folder(path, advice):
    """Makes a folder that only this user can enter, or checks one that is there.

    Args:
        path: the folder.
        advice: what to do where it cannot be used, the end of a sentence.

    Returns:
        Its `Path`.

    Raises:
        ConfigError: it belongs to another user, or others may write to it.
        StorageError: it cannot be made.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        require_own(path, advice)
    except OSError as error:
        raise StorageError(f"{path} must be a folder to write to: {error}.") from None
    return path


def require_own(path, advice, *, may_be_open=False):
    """Refuses a folder that another user made or may write to.

    Args:
        path: the folder; a link counts as the folder that it leads to.
        advice: what to do then, the end of a sentence.
        may_be_open: whether others may have the right to write to it, as in a folder
            that they cannot enter.

    Raises:
        ConfigError: whose it is and who may write to it.
        OSError: it is not there.
    """
    status = os.stat(path)
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigError(f"{path} must be a folder; {advice}.")
    if status.st_uid != os.geteuid():
        raise ConfigError(
            f"{path} must belong to this user ({os.geteuid()}); it belongs to user "
            f"{status.st_uid}, who may have put anything there: {advice}."
        )
    if status.st_mode & OTHERS_MAY_WRITE and not may_be_open:
        raise ConfigError(
            f"{path} must not be writable by others; its mode is "
            f"{stat.S_IMODE(status.st_mode):04o}: chmod go-w it once you know what is "
            f"in it, or {advice}."
        )
