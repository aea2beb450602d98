"""What a packed data set says of itself: a file for all of it, one for each shard.

PACKED/index.json                          classes, and a hash of each .json below
PACKED/videos-00000-of-00002.array_record  a video in each record
PACKED/videos-00000-of-00002.json          which videos these are
"""

import dataclasses
import hashlib
import os
from typing import Annotated, Literal, get_args

from etils import epath
from msgspec import Meta

from configs.command.errors import DataError
from configs.command.text import first_line
from data.scan import Video
from storage.files import sampled_key
from storage.records import Count, Text, decode

INDEX_FILE = "index.json"
Part = Literal["train", "validation", "test"]
PARTS = get_args(Part)


@dataclasses.dataclass(frozen=True)
class Row:
    """One video, in the order of the records of its shard.

    Attributes:
        name: see `data.sources.base.Listing.names`.
        label: from 0.
        part: the list that it is on.
        group: see `Listing.groups`.
        recording: see `Listing.recordings`.
        content: see `Listing.contents`.
        file: size and modification time of the original, as `data.scan.state_of` says
            them; None where it was not there.
        video: what the scan found in it.
    """

    name: str
    label: Count
    part: Part
    group: Annotated[int, Meta(ge=-1)]
    recording: str
    content: Text
    file: tuple[Count, int] | None
    video: Video


@dataclasses.dataclass(frozen=True)
class Shard:
    """The content of the file of one shard.

    Attributes:
        rows: list of `Row`.
        key: of the shard, see `storage.files.sampled_key`.
    """

    rows: list[Row]
    key: Text


@dataclasses.dataclass(frozen=True)
class Index:
    """The content of `INDEX_FILE`, which is written last.

    Attributes:
        class_names: in the order of the labels.
        shards: SHA-256 of the file of each shard.
        form: what a record is: the bytes of a file, or MessagePack of the list of the
            bytes of each picture.
        source: the data.source that was packed.
        split: the data.split, of a source that has several.
        by: by what the videos were scanned, see `data.scan.judges`.
    """

    class_names: list[str]
    shards: Annotated[list[Text], Meta(min_length=1)]
    form: Literal["file", "pictures"]
    source: str
    split: int | None
    by: dict[str, str]


def shard_name(number, shards):
    """The name of a shard without its ending."""
    return f"videos-{number:05}-of-{shards:05}"


def check_packed(data):
    """Refuses a folder that is none, or that holds no packed data set.

    Args:
        data: a `configs.schema.Data`.

    Raises:
        DataError: see there. A URL is not looked at, as that takes TensorFlow.
    """
    root = os.fspath(data.root)
    if not root:
        raise DataError("data.root must name a packed data set; received ''.")
    if "://" not in root and not os.path.isfile(os.path.join(root, INDEX_FILE)):
        raise DataError(
            f"data.root must be a packed data set; {root!r} has no {INDEX_FILE}. "
            "python -m data.pack VIDEOS PACKED makes one, and writes that file last."
        )


def read_index(root):
    """Reads what a data set says of itself.

    Args:
        root: its folder, or a URL.

    Returns:
        `Index`.

    Raises:
        DataError: it is absent or damaged.
    """
    return _read(root, INDEX_FILE, Index)[0]


def read_shards(root, index):
    """Reads which videos the shards hold.

    Args:
        root: see `read_index`.
        index: `Index`.

    Returns:
        list of (path of the shard as str, list of its `Row`).

    Raises:
        DataError: a file is absent or damaged, or is not the one that was packed.
    """
    shards = []
    for number, expected in enumerate(index.shards):
        name = shard_name(number, len(index.shards))
        shard, content = _read(root, f"{name}.json", Shard)
        path = epath.Path(root) / f"{name}.array_record"
        if hashlib.sha256(content).hexdigest() != expected or key_of(path) != shard.key:
            raise DataError(
                f"{name} in {root} is not as it was packed, or the copy is not whole. "
                "Copy it again, or pack the data set again."
            )
        shards.append((os.fspath(path), shard.rows))
    rows = [row for _, rows in shards for row in rows]
    order = [PARTS.index(row.part) for row in rows]
    labels = max(row.label for row in rows) + 1 if rows else 0
    if order != sorted(order) or labels > len(index.class_names):
        raise DataError(f"The shards of {root} contradict its {INDEX_FILE}.")
    return shards


def key_of(path):
    """What `storage.files.sampled_key` says of a shard.

    Args:
        path: `epath.Path`, or another with `open`.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return sampled_key(file)
    except Exception as error:  # Those who read URLs raise what comes.
        raise DataError(f"{path} cannot be read: {first_line(error)}.") from None


def _read(root, name, form):
    """A value of a type, and the bytes of the file that it was read from."""
    path = f"{root}/{name}"
    try:
        content = epath.Path(path).read_bytes()
    except Exception as error:  # Those who read URLs raise what comes.
        raise DataError(f"{path} cannot be read: {first_line(error)}.") from None
    try:
        return decode(content, form), content
    except ValueError as error:
        raise DataError(f"{path} cannot be read: {error}.") from None
