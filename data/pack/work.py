"""Writes the shards of a packed data set, side by side, and then its index."""

import dataclasses
import json
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tqdm import tqdm

from configs.command.errors import ConfigError, DataError
from data.decoding.reader import thread_count
from data.pack.shard import rows_path, shard_path, write_shard, writing
from data.scan import judges, state_of
from data.sources.frames import Frames
from data.sources.packed_index import (
    INDEX_FILE,
    PARTS,
    Index,
    Row,
    Shard,
    key_of,
    shard_name,
)
from storage.files import sha256, write_atomically
from storage.lock import locked
from storage.records import decode

SHARD = re.compile(r"videos-\d{5}-of-\d{5}\.(json|array_record)")
OFFICIAL_SPLITS = ("ucf101", "hmdb51")  # of which data.split names one


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
        ConfigError: the folder holds another packed data set.
        DataError: a video is gone, or its record is not read as the file is.
        LockedError: another process writes the same folder.
        StorageError: the folder cannot be written.
    """
    with locked(out):
        before = _packed_before(out)
        shards = plan(source.listing, shard_bytes)
        names = [shard_name(number, len(shards)) for number in range(len(shards))]
        index = Index(
            class_names=list(source.listing.class_names),
            shards=[],
            form="pictures" if isinstance(source, Frames) else "file",
            source=data.source,
            split=data.split if data.source in OFFICIAL_SPLITS else None,
            by=judges(),
        )
        if before and _subject(before) != _subject(index):
            raise ConfigError(f"{out} holds another data set: choose another PACKED.")
        work = [
            (out / name, videos, rows_of(source, videos))
            for name, videos in zip(names, shards, strict=True)
        ]
        todo = [part for part in work if not is_done(part[0], part[2])]
        if todo:
            with writing(out):
                (out / INDEX_FILE).unlink(missing_ok=True)
            _write_all(todo, source, index.form, thread_count(data.threads))
        hashes = [sha256(out / f"{name}.json") for name in names]
        index = dataclasses.replace(index, shards=hashes)
        if todo or index != before:
            text = json.dumps(dataclasses.asdict(index), indent=1)
            write_atomically(out / INDEX_FILE, text)
        _remove_others(out, names)
        return len(shards)


def _packed_before(out):
    """The `Index` of what a folder holds; None where it holds no whole data set.

    Raises:
        ConfigError: a file is called so and is none.
    """
    path = out / INDEX_FILE
    try:
        return decode(path.read_bytes(), Index)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} is no index of a packed data set ({error}): choose another PACKED."
        ) from None


def _subject(index):
    """What must stay the same where a data set is packed again into a folder."""
    return index.class_names, index.form, index.source, index.split


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


def is_done(path, rows):
    """Whether a shard is there, whole, and holds just these videos.

    Args:
        path: `Path` of the shard without its ending.
        rows: list of `Row` that it is to hold, whatever their content is.
    """
    try:
        shard = decode(rows_path(path).read_bytes(), Shard)
        whole = key_of(shard_path(path)) == shard.key
    except (OSError, ValueError, DataError):
        return False
    known = [dataclasses.replace(row, content="-") for row in shard.rows]
    return whole and known == rows


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
    with writing(out):
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
