"""Writes the shards of a packed data set, side by side, each whole or not at all."""

import contextlib
import dataclasses
import json
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
from array_record.python.array_record_module import ArrayRecordWriter
from tqdm import tqdm

from configs.command.errors import DataError, StorageError
from data.decoding.errors import DecodeError
from data.decoding.reader import thread_count
from data.identities import content_key
from data.scan import judges, state_of
from data.sources.array_record import Packed, Records
from data.sources.frames import Frames
from data.sources.packed_index import (
    INDEX_FILE,
    PARTS,
    Index,
    Row,
    Shard,
    shard_name,
)
from storage.files import write_atomically, written_aside
from storage.lock import locked
from storage.records import decode

SHARD = re.compile(r"videos-\d{5}-of-\d{5}\.(json|array_record)")
OFFICIAL_SPLITS = ("ucf101", "hmdb51")  # of which data.split names one
# Videos are compressed already, and each is read alone.
OPTIONS = "group_size:1,uncompressed"
COMPARED = 3  # frames of each video


def pack(source, data, out, *, shard_bytes):
    """Packs every video of a source, unless that is done.

    Args:
        source: `data.sources.files.Files` or `data.sources.frames.Frames`.
        data: the `configs.schema.Data` that it was opened by.
        out: `Path` of the folder that is written.
        shard_bytes: about how many bytes of videos a shard holds.

    Returns:
        int, how many shards there are.

    Raises:
        DataError: a video is gone, or its record is not read as the file is.
        LockedError: another process writes the same folder.
        StorageError: the folder cannot be written.
    """
    with locked(out):
        shards = plan(source.listing, shard_bytes)
        index = Index(
            class_names=list(source.listing.class_names),
            shards=len(shards),
            form="pictures" if isinstance(source, Frames) else "file",
            source=data.source,
            split=data.split if data.source in OFFICIAL_SPLITS else None,
            by=judges(),
        )
        names = [shard_name(number, len(shards)) for number in range(len(shards))]
        rows = [rows_of(source, videos) for videos in shards]
        todo = [i for i, name in enumerate(names) if not is_done(out, name, rows[i])]
        text = json.dumps(dataclasses.asdict(index), indent=1)
        if todo or not _holds(out / INDEX_FILE, text):
            with _writing(out):
                (out / INDEX_FILE).unlink(missing_ok=True)
            work = [(out / names[i], shards[i], rows[i]) for i in todo]
            _write_all(work, source, index.form, thread_count(data.threads))
            write_atomically(out / INDEX_FILE, text)
        _remove_others(out, names)
        return len(shards)


def plan(listing, shard_bytes):
    """Which videos each shard holds: neighbours in the listing, int64 arrays.

    Args:
        listing: a `data.sources.base.Listing` with paths.
        shard_bytes: a shard is full where it holds as many.
    """
    sizes = np.cumsum([_size(path) for path in listing.paths])
    shard = np.maximum(sizes - 1, 0) // shard_bytes
    ends = np.flatnonzero(np.diff(shard)) + 1
    return np.split(np.arange(len(sizes)), ends)


def rows_of(source, videos):
    """What is to be said of videos: list of `Row`, whose content is still "-".

    Args:
        source: see `pack`.
        videos: indices into its listing.
    """
    listing = source.listing
    parts = np.repeat(PARTS, [len(part) for part in listing.parts])
    return [
        Row(
            name=listing.names[i],
            label=int(listing.labels[i]),
            part=str(parts[i]),
            group=int(listing.groups[i]),
            recording=listing.recordings[i],
            content="-",
            file=state_of(listing.paths[i]),
            video=source.videos[i],
        )
        for i in videos
    ]


def is_done(out, name, rows):
    """Whether a shard is there and holds just these videos.

    Args:
        out: `Path` of the folder.
        name: of the shard, without its ending.
        rows: list of `Row` that it is to hold, whatever their content is.
    """
    try:
        known = decode((out / f"{name}.json").read_bytes(), Shard).rows
    except (OSError, ValueError):
        return False
    known = [dataclasses.replace(row, content="-") for row in known]
    return known == rows and (out / f"{name}.array_record").exists()


def write_shard(path, source, videos, rows, form, after_video):
    """Writes one shard, reads it again, and then says what it holds.

    Args:
        path: `Path` of the shard without its ending.
        source: see `pack`.
        videos: indices into its listing.
        rows: `Row` of each, whose content is filled in.
        form: see `data.sources.packed_index.Index.form`.
        after_video: called after each video.

    Raises:
        DataError: see `pack`.
        StorageError: it cannot be written.
    """
    shard = path.with_name(f"{path.name}.array_record")
    said = path.with_name(f"{path.name}.json")
    with _writing(path.parent):
        said.unlink(missing_ok=True)
        shard.unlink(missing_ok=True)
    contents = []
    with written_aside(shard) as part, _writing(part):
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
    write_atomically(said, json.dumps({"rows": rows}, indent=0))


def coded(source, video):
    """The bytes of a record; none of a bad video that is no file that can be read.

    Args:
        source: see `pack`.
        video: index into its listing.

    Raises:
        DataError: a good one cannot be read any more.
    """
    try:
        if isinstance(source, Frames):
            return msgspec.msgpack.encode(list(source.pictures(video)))
        with open(source.listing.paths[video], "rb") as file:
            return file.read()
    except (OSError, DecodeError) as error:
        if source.videos[video].reason:
            return b""
        raise DataError(f"{source.listing.paths[video]}: {error}.") from None


def compare(source, videos, records):
    """Reads the first, the middle and the last frame of each good video both ways.

    Args:
        source: see `pack`.
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


def _write_all(work, source, form, threads):
    """Writes shards side by side; after an error, or Ctrl-C, no more are begun."""
    videos = sum(len(part) for _, part, _ in work)
    stopped = threading.Event()
    with (
        tqdm(total=videos, desc="pack", unit="video", disable=None) as bar,
        ThreadPoolExecutor(threads) as pool,
    ):

        def after_video():
            bar.update()
            if stopped.is_set():
                raise DataError("Another shard could not be written.")

        jobs = [
            pool.submit(write_shard, path, source, part, rows, form, after_video)
            for path, part, rows in work
        ]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _remove_others(out, names):
    """Removes shards that are left of an earlier packing."""
    kept = {
        f"{name}{ending}" for name in names for ending in (".json", ".array_record")
    }
    with _writing(out):
        for path in out.iterdir():
            if SHARD.fullmatch(path.name) and path.name not in kept:
                path.unlink()


def _size(path):
    """Bytes of a file, or of the files in a folder; 0 of what is not there."""
    try:
        if os.path.isdir(path):
            return sum(entry.stat().st_size for entry in os.scandir(path))
        return os.stat(path).st_size
    except OSError:
        return 0


def _holds(path, text):
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def _writing(path):
    """Turns what the system, or ArrayRecord, says into a `StorageError`."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise StorageError(f"{path} cannot be written: {reason}.") from None
