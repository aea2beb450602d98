"""Reads a data set that `python -m data.pack` has put into a few large files.

A record holds a video as it was in its file, or the pictures of its folder, and is read
whole; it is decoded as the file would be. data.root may be any path that TensorFlow's
file system layer reads, such as gs://BUCKET/PACKED.
"""

import dataclasses
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
from array_record.python.array_record_module import ArrayRecordReader
from tqdm import tqdm

from configs.command.errors import ConfigError, DataError
from configs.schema.data import SIDED
from data.decoding.errors import DecodeError
from data.decoding.in_memory import file_in_memory
from data.decoding.reader import thread_count
from data.decoding.video import read_clip, read_pictures
from data.scan import (
    SCAN_FILE,
    DecoderProcess,
    Video,
    candidate_paths,
    judges,
    load_own,
    scan_file,
    write_first,
)
from data.sources.base import Listing, Source
from data.sources.files import tell_notes
from data.sources.frames import inspect_pictures
from data.sources.packed_index import PARTS, read_index, read_shards

# A clip needs one record: nothing is read ahead of it.
OPTIONS = "readahead_buffer_size:0,max_parallelism:0"


@dataclasses.dataclass(frozen=True)
class Content:
    """What is remembered of records that other decoders scanned anew.

    Attributes:
        index: hash of what the data set says of itself.
        by: what they were scanned by, see `data.scan.judges`.
        videos: what each holds.
    """

    index: str
    by: dict[str, str]
    videos: list[Video]


class Records:
    """The records of all shards, by their numbers.

    Attributes:
        form: see `data.sources.packed_index.Index.form`.
    """

    def __init__(self, paths, counts, form):
        """Opens the shards.

        Args:
            paths: of the shards.
            counts: how many records each must have.
            form: see `Index.form`.

        Raises:
            DataError: one is missing, damaged or has another number of records.
        """
        self.form = form
        self._readers = []
        self._first = np.cumsum([0, *counts])
        for path, count in zip(paths, counts, strict=True):
            reader = ArrayRecordReader(path, options=OPTIONS)
            if not reader.ok():
                raise DataError(f"{path} cannot be read: {_problem(reader)}.")
            found = reader.num_records()
            if found != count:
                raise DataError(
                    f"{path} must have {count} records, as the file beside it says; "
                    f"it has {found}. Pack the data set again."
                )
            self._readers.append(reader)

    def __getitem__(self, video):
        """The record of a video: bytes, or a list of the bytes of its pictures.

        Raises:
            DecodeError: it is damaged or gone.
        """
        shard = int(np.searchsorted(self._first, video, "right")) - 1
        try:
            [record] = self._readers[shard].read([int(video - self._first[shard])])
            if self.form == "pictures":
                return msgspec.msgpack.decode(record, type=list[bytes])
        except (RuntimeError, ValueError, msgspec.MsgspecError) as error:
            raise DecodeError(f"has a damaged record: {_line(error)}") from None
        return record


@dataclasses.dataclass(frozen=True, kw_only=True)
class Packed(Source):
    """Videos of a packed data set.

    Attributes:
        records: `Records`, in the order of the listing.
    """

    records: Records

    def read(self, video, *, frames, regions, size, flip, out):
        """See `Source.read`."""
        expected = self.videos[video]
        record = self.records[video]
        cut = {"frames": frames, "regions": regions, "size": size, "flip": flip}
        if self.records.form == "pictures":
            shape = (expected.decoded_height, expected.decoded_width)
            read_pictures(record, shape=shape, out=out, **cut)
            return
        with file_in_memory(record) as path:
            read_clip(path, expected, out=out, **cut)


def open_array_record(data, *, after_video):
    """See `data.sources.open_source`."""
    index = read_index(data.root)
    _check_options(index, data)
    shards = read_shards(data.root, index)
    counts = [len(rows) for _, rows in shards]
    records = Records([path for path, _ in shards], counts, index.form)
    rows = [row for _, rows in shards for row in rows]
    videos = tuple(row.video for row in rows)
    if index.by != judges():
        digest = hashlib.sha256(json.dumps(index.shards).encode()).hexdigest()
        videos = _scan_again(data, records, videos, digest, after_video)
    listing = _listing(index, rows)
    listing.tell(data.root)
    tell_notes(videos)
    return Packed(listing=listing, videos=videos, records=records)


def scan_array_record(data, *, processes):
    """See `data.sources.scan_source`; what the packing found, or a later scan."""
    index = read_index(data.root)
    split = data.split if index.split is None else index.split
    data = dataclasses.replace(data, split=split, flip=False, threads=processes)
    source = open_array_record(data, after_video=lambda: None)
    return list(zip(source.listing.names, source.videos, strict=True))


def _check_options(index, data):
    """Refuses options that do not suit the data set that was packed."""
    if index.split not in (None, data.split):
        raise ConfigError(
            f"data.split must be {index.split}, which is the split that was packed in "
            f"{data.root}; received {data.split}."
        )
    if index.source in SIDED and data.flip:
        raise ConfigError(
            f"data.flip must be false, as {data.root} was packed from {index.source}, "
            f"whose classes depend on left and right; received {data.flip}."
        )


def _listing(index, rows):
    counts = [sum(row.part == part for row in rows) for part in PARTS]
    return Listing(
        class_names=tuple(index.class_names),
        names=tuple(row.name for row in rows),
        labels=np.array([row.label for row in rows], np.int32),
        groups=np.array([row.group for row in rows], np.int32),
        train_size=counts[0],
        validation_size=counts[1],
        recordings=tuple(row.recording for row in rows),
        contents=tuple(row.content for row in rows),
    )


def _scan_again(data, records, packed, digest, after_video):
    """What the records hold, by the decoders of now; remembered.

    Args:
        data: a `configs.schema.Data`.
        records: `Records`.
        packed: `Video` of each, as it was found when they were packed.
        digest: tells this data set from others.
        after_video: called after each record.

    Returns:
        tuple of `Video`.
    """
    paths = candidate_paths(os.fspath(data.root), SCAN_FILE)
    for path in paths:
        content = load_own(path, Content)
        if content and (content.index, content.by) == (digest, judges()):
            return tuple(content.videos)
    with ThreadPoolExecutor(thread_count(data.threads)) as pool:
        tasks = pool.map(lambda i: _scan(records, i, packed[i]), range(len(packed)))
        videos = []
        for video in tqdm(tasks, "scan", len(packed), unit="video", disable=None):
            videos.append(video)
            after_video()
    content = dataclasses.asdict(Content(digest, judges(), videos))
    write_first(paths, json.dumps(content))
    return tuple(videos)


def _scan(records, number, packed):
    """What one record holds: `Video`."""
    try:
        record = records[number]
    except DecodeError as error:
        return Video(reason=str(error))
    if not record:  # There was nothing to pack.
        return packed
    if records.form == "pictures":
        return inspect_pictures(record, packed.codec)
    with file_in_memory(record) as path, DecoderProcess() as decoder:
        return scan_file(path, decoder)


def _problem(reader):
    """Why a reader is of no use, which it says only where something is read."""
    try:
        reader.read([0])
    except (RuntimeError, ValueError) as error:
        return _line(error)
    return "it is damaged"


def _line(error):
    """The beginning of an error of the library, which goes on with its history."""
    return str(error).partition("\n")[0].partition(";")[0]
