"""Paths as users write them."""

import os

from configs.command.errors import ConfigError


def expand_path(path, field):
    """A path with ~ and ~user at its start replaced by the home folder.

    A shell replaces ~ only at the start of a word: in --data.root=~/videos it stays.

    Args:
        path: the path or address, str; "" stays "".
        field: the option that it is the value of, for the message.

    Returns:
        str.

    Raises:
        ConfigError: the home folder is not known, or the path cannot be one.
    """
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise ConfigError(
            f"{field} must begin with ~ only where that is a home folder; received "
            f"{path!r}, whose user has none here. A folder of that name in this one is "
            f"{'./' + path!r}."
        )
    if "\0" in expanded:
        raise ConfigError(f"{field} must be a path, without NUL; received {path!r}.")
    return expanded


def check_utf8(path, field):
    """Refuses a path that TensorFlow, or JSON, would take for another, or for none.

    Both take names in UTF-8, whatever the locale is.

    Args:
        path: the path.
        field: what it is the value of, for the message.

    Raises:
        ConfigError: its bytes are not what its text is in UTF-8.
    """
    try:
        same = str(path).encode() == os.fsencode(path)
    except UnicodeEncodeError:
        same = False
    if not same:
        raise ConfigError(
            f"{field} must be a path in UTF-8, as TensorFlow and JSON are; received "
            f"{str(path)!a}. Choose another, or set PYTHONUTF8=1 if the locale is not "
            "UTF-8 but the path is."
        )
