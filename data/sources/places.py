"""Folders in which the parts of a data set may lie."""

import os
from pathlib import Path

from configs.command.errors import DataError


def places(root, folders):
    """The root, those folders in it that there are, and the folder around it.

    Args:
        root: data.root.
        folders: names of folders in the root.

    Returns:
        list of paths.

    Raises:
        DataError: the root is empty or no directory.
    """
    if not root:
        raise DataError("data.root must name the data set's directory; received ''.")
    root = Path(root)
    if not os.path.isdir(root):  # Which has no errors of its own, unlike `Path`.
        raise DataError(f"data.root must be a directory; received {str(root)!r}.")
    inside = [root / name for name in folders]
    return [place for place in (root, *inside, root.resolve().parent) if place.is_dir()]
