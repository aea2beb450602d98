"""The kinds of data sets: one table of them, for training and `data.scan` alike."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class SourceKind:
    """One kind of data set.

    Attributes:
        open: opens one split; called with the arguments of `open_source` but the name.
        scan: scans every split; called with the arguments of `scan_source` but the
            name.
    """

    open: Callable
    scan: Callable


def _ucf101():
    from data.sources.ucf101 import open_ucf101, scan_ucf101

    return SourceKind(open_ucf101, scan_ucf101)


def _tfds():
    # Only when it is asked for: TFDS takes seconds to import.
    from data.sources.tfds import open_tfds, scan_tfds

    return SourceKind(open_tfds, scan_tfds)


# The values of the option data.source.
SOURCES = {"ucf101": _ucf101, "tfds": _tfds}


def check_root(data):
    """Refuses a data set that is not there, by a glance at its folders.

    Args:
        data: a `configs.schema.Data`.

    Raises:
        DataError: data.root is no folder, or the lists of the split are not in it.
    """
    if data.source == "ucf101":  # TFDS, which takes seconds to import, knows its own.
        from data.sources.ucf101_layout import find_lists

        find_lists(data.root, data.split)


def open_source(name, root, split, *, threads=0, after_video=lambda: None):
    """Lists the videos of one split and finds out what each of them holds.

    Args:
        name: one of `SOURCES`.
        root: where the data set lies.
        split: 1, 2 or 3.
        threads: how many threads may decode at once in this process; 0 takes one for
            each core.
        after_video: called after each video that had to be scanned.

    Returns:
        `data.sources.base.Source`.

    Raises:
        DataError: the data set is absent, incomplete or inconsistent.
    """
    return SOURCES[name]().open(root, split, threads=threads, after_video=after_video)


def scan_source(name, root, *, processes=0):
    """Finds out what every video holds, of all splits that are there.

    Args:
        name: one of `SOURCES`.
        root: where the data set lies.
        processes: how many videos are decoded at once; 0 takes one for each core.

    Returns:
        list of (name of the video, `data.scan.Video`), each file or record once.

    Raises:
        DataError: the data set is absent, incomplete or inconsistent.
    """
    return SOURCES[name]().scan(root, processes=processes)
