"""The kinds of data sets: one table of them, for training and `data.scan` alike."""

import dataclasses
import importlib


@dataclasses.dataclass(frozen=True)
class SourceKind:
    """One kind of data set: the names of its functions, "module:function".

    Their modules are imported when they are called. TFDS takes seconds, and a glance at
    a folder is to need no decoder.

    Attributes:
        check: refuses what is not there, see `check_root`.
        open: opens it for training, see `open_source`.
        scan: finds out what all of its videos hold, see `scan_source`.
        draws_split: whether `open` may draw a split, and takes `keep_split` and
            `run_split`.
    """

    check: str
    open: str
    scan: str
    draws_split: bool = False


# The values of the option data.source.
SOURCES = {
    "ucf101": SourceKind(
        check="data.sources.ucf101_layout:check_ucf101",
        open="data.sources.ucf101:open_ucf101",
        scan="data.sources.ucf101:scan_ucf101",
    ),
    "hmdb51": SourceKind(
        check="data.sources.hmdb51_layout:check_hmdb51",
        open="data.sources.hmdb51:open_hmdb51",
        scan="data.sources.hmdb51:scan_hmdb51",
    ),
    "something-something-v2": SourceKind(
        check="data.sources.something_something_layout:check_something_something",
        open="data.sources.something_something:open_something_something",
        scan="data.sources.something_something:scan_something_something",
    ),
    "folder": SourceKind(
        check="data.sources.tree:check_folder",
        open="data.sources.folder:open_folder",
        scan="data.sources.folder:scan_folder",
        draws_split=True,
    ),
    "frames": SourceKind(
        check="data.sources.tree:check_folder",
        open="data.sources.frames:open_frames",
        scan="data.sources.frames:scan_frames",
        draws_split=True,
    ),
    "list": SourceKind(
        check="data.sources.list_formats:check_lists",
        open="data.sources.list_source:open_lists",
        scan="data.sources.list_source:scan_lists",
    ),
    "array_record": SourceKind(
        check="data.sources.packed_index:check_packed",
        open="data.sources.array_record:open_array_record",
        scan="data.sources.array_record:scan_array_record",
    ),
    "tfds": SourceKind(
        check="",  # TFDS itself tells what is missing, and is slow to import.
        open="data.sources.tfds:open_tfds",
        scan="data.sources.tfds:scan_tfds",
    ),
}


def _function(name):
    module, function = name.split(":")
    return getattr(importlib.import_module(module), function)


def check_root(data):
    """Refuses a data set that is not there, by a glance at its folders.

    Args:
        data: a `configs.schema.Data`.

    Raises:
        DataError: data.root is no folder, or lists are not where they must be.
    """
    name = SOURCES[data.source].check
    if name:
        _function(name)(data)


def open_source(data, *, after_video=lambda: None, keep_split=True, run_split=None):
    """Lists the videos to train, validate and test on, and finds out what each holds.

    Args:
        data: a `configs.schema.Data`.
        after_video: called after each video that had to be scanned.
        keep_split: whether a split that is drawn is kept in its file. One that is not
            is drawn alike the next time.
        run_split: path of the split with which a run has begun that goes on, where its
            source draws splits. It counts alone: what was added since is not used.

    Returns:
        `data.sources.base.Source`.

    Raises:
        DataError: the data set is absent, incomplete or inconsistent.
    """
    kind = SOURCES[data.source]
    drawn = {"keep_split": keep_split, "run_split": run_split}
    drawn = drawn if kind.draws_split else {}
    return _function(kind.open)(data, after_video=after_video, **drawn)


def scan_source(data, *, processes=0):
    """Finds out what every video holds, of all splits that are there.

    Args:
        data: a `configs.schema.Data`.
        processes: how many videos are decoded at once; 0 takes one for each core.

    Returns:
        list of (name of the video, `data.scan.Video`), each file or record once.

    Raises:
        DataError: the data set is absent, incomplete or inconsistent.
    """
    return _function(SOURCES[data.source].scan)(data, processes=processes)
