"""One shard of a packed data set: written, read again, and only then announced."""

import contextlib
import dataclasses
import json
import os

import msgspec
import numpy as np
from array_record.python.array_record_module import ArrayRecordWriter

from configs.command.errors import DataError, StorageError
from data.decoding.errors import DecodeError
from data.identities import content_key
from data.sources.array_record import Packed, Records
from data.sources.frames import Frames
from data.sources.packed_index import key_of
from storage.files import write_atomically, written_aside

# Videos are compressed already, and each is read alone.
OPTIONS = "group_size:1,uncompressed"
COMPARED = 3  # frames of each video


def write_shard(path, source, videos, rows, form, after_video):
    """Writes one shard, reads it again, and then says what it holds.

    Args:
        path: `Path` of the shard without its ending.
        source: see `data.pack.work.pack`.
        videos: indices into its listing.
        rows: `Row` of each, whose content is filled in.
        form: see `data.sources.packed_index.Index.form`.
        after_video: called after each video.

    Raises:
        DataError: see `data.pack.work.pack`.
        StorageError: it cannot be written.
    """
    shard, said = shard_path(path), rows_path(path)
    with writing(path.parent):
        said.unlink(missing_ok=True)
        shard.unlink(missing_ok=True)
    contents = []
    with written_aside(shard) as part, writing(part):
        writer = ArrayRecordWriter(str(part), OPTIONS)
        for video in videos:
            contents.append(content_key(source.listing.paths[video]))
            writer.write(coded(source, video))
            after_video()
        writer.close()
        compare(source, videos, Records([str(part)], [len(videos)], form))
    rows = [
        dataclasses.asdict(row) | {"content": content}
        for row, content in zip(rows, contents, strict=True)
    ]
    content = {"rows": rows, "key": key_of(shard)}
    write_atomically(said, json.dumps(content, indent=0))


def coded(source, video):
    """The bytes of a record; none of a bad video that is no file that can be read.

    Args:
        source: see `data.pack.work.pack`.
        video: index into its listing.

    Raises:
        DataError: a good one cannot be read any more.
    """
    path = source.listing.paths[video]
    try:
        if isinstance(source, Frames):
            return msgspec.msgpack.encode(list(source.pictures(video)))
        if source.videos[video].reason and not os.path.isfile(path):
            return b""  # A pipe, say, which would be waited for.
        with open(path, "rb") as file:
            return file.read()
    except (OSError, DecodeError) as error:
        if source.videos[video].reason:
            return b""
        raise DataError(f"{path}: {error}.") from None


def compare(source, videos, records):
    """Compares records with files, and three frames of each good video both ways.

    Args:
        source: see `data.pack.work.pack`.
        videos: indices into its listing.
        records: `Records` of the same videos.

    Raises:
        DataError: a record is not read as its file is.
    """
    packed = Packed(
        listing=source.listing,
        videos=tuple(source.videos[video] for video in videos),
        records=records,
    )
    for number, video in enumerate(videos):
        found = source.videos[video]
        same = bytes_of(records[number], records.form) == coded(source, video)
        if not same:
            raise DataError(
                f"{source.listing.paths[video]} has changed while it was packed."
            )
        if found.reason:
            continue
        side = min(found.height, found.width)
        wanted = {
            "frames": np.linspace(0, found.frames - 1, COMPARED).astype(int),
            "regions": [(0, 0, side, side)],
            "size": side,
            "flip": False,
        }
        both = np.empty([2, 1, COMPARED, 3, side, side], np.uint8)
        try:
            source.read(video, out=both[0], **wanted)
            packed.read(number, out=both[1], **wanted)
        except DecodeError as error:
            raise DataError(f"{source.listing.paths[video]}: {error}.") from None
        if not np.array_equal(*both):
            raise DataError(
                f"{source.listing.paths[video]} is not read from a record as from its "
                "file. Code it anew (python -m data.prepare), or leave it out."
            )


def bytes_of(record, form):
    """The bytes that were packed, of what `Records` gives."""
    return msgspec.msgpack.encode(record) if form == "pictures" else record


def shard_path(path):
    """The path of a shard, of its path without an ending."""
    return path.with_name(f"{path.name}.array_record")


def rows_path(path):
    """The path of what says which videos it holds."""
    return path.with_name(f"{path.name}.json")


@contextlib.contextmanager
def writing(path):
    """Turns what the system, or ArrayRecord, says into a `StorageError`."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise StorageError(f"{path} cannot be written: {reason}.") from None
