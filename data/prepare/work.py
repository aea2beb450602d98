"""Codes the videos of a folder, side by side; what is done is remembered."""

import collections
import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from typing import Annotated

from msgspec import Meta
from tqdm import tqdm

from configs.command.errors import DataError, StorageError
from data.decoding.encode import encode_again
from data.decoding.errors import DecodeError
from data.decoding.reader import thread_count
from data.scan import ScanCache, Video, scan_videos, state_of
from data.sources.tree import walk
from storage.files import sync, write_atomically
from storage.lock import locked
from storage.records import decode
from storage.text import unescaped

STATE_FILE = "prepared.json"
SAVE_EVERY = 30.0  # seconds
LONGEST_NAME = 255  # bytes, of a file on the usual file systems


@dataclasses.dataclass(frozen=True)
class Settings:
    """How videos are coded; see `data.decoding.encode.encode_again`."""

    short_side: int
    key_frame_every: int
    quality: int


@dataclasses.dataclass(frozen=True)
class Done:
    """What is remembered of a video that is done.

    Attributes:
        file: size in bytes and modification time of the original.
        settings: by which it was coded.
        name: of the new file below the new folder, as `data.sources.tree.walk` gives
            it; see `new_path`.
        reason: why it was copied as it is; empty where it was coded.
    """

    file: tuple[Annotated[int, Meta(ge=0)], int]
    settings: Settings
    name: str
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class State:
    """The content of `STATE_FILE`: name of a video -> `Done`."""

    videos: dict[str, Done]


def prepare(root, out, settings, *, processes=0):
    """Codes every video below a folder anew, unless that is done.

    Args:
        root: the folder.
        out: `Path` of the folder that is written.
        settings: `Settings`.
        processes: how many videos are worked on at once; 0: one for each core.

    Returns:
        dict of name -> (path of the original, `Video` of the original, `Done`).

    Raises:
        DataError: there is no video, a folder cannot be listed, or a file went away.
        LockedError: another process prepares the same new folder.
        StorageError: the new folder cannot be written.
    """
    with locked(out):
        return _prepare(root, out, settings, processes)


def new_path(out, done):
    """The `Path` of the new file of a `Done` in the new folder."""
    return out / unescaped(done.name)


def _prepare(root, out, settings, processes):
    paths = {"/".join(parts): path for parts, path in walk(root)}
    if not paths:
        raise DataError(f"VIDEOS must hold videos; received {root}, which has none.")
    cache = ScanCache(root)
    scanned = scan_videos(list(paths.values()), cache=cache, processes=processes)
    videos = dict(zip(paths, scanned, strict=True))
    wanted = {
        name: Done(_state(path, videos[name]), settings, new, videos[name].reason)
        for (name, path), new in zip(paths.items(), new_names(videos), strict=True)
    }
    before = read_state(out)
    done = {}
    for name, entry in wanted.items():
        known = before.get(name)
        if known and _is_same(known, entry) and new_path(out, known).exists():
            done[name] = known
    todo = {name: wanted[name] for name in wanted.keys() - done.keys()}
    _work(todo, paths, videos, out, done, processes=thread_count(processes))
    return {name: (paths[name], videos[name], done[name]) for name in paths}


def new_names(videos):
    """The names of the new files, in order: with .mp4, or as they are.

    Where two files differ in their endings alone, they keep these before the new one.
    No name is that of another original, which may have to be copied as it is.

    Args:
        videos: dict of name -> `Video`; those that cannot be read keep their names.
    """
    stems = collections.Counter(os.path.splitext(name)[0].lower() for name in videos)
    taken = collections.Counter(map(str.lower, videos))
    for name, video in videos.items():
        if video.reason:
            yield name
            continue
        stem = os.path.splitext(name)[0]
        stem = name if stems[stem.lower()] > 1 else stem
        numbered = (f"{stem}.{number}.mp4" for number in itertools.count(2))
        for new in itertools.chain([f"{stem}.mp4"], numbered):
            own = new.lower() == name.lower()
            if taken[new.lower()] == int(own):
                break
        taken[new.lower()] = 1
        yield new


def read_state(out):
    """What is done in a folder: dict of name -> `Done`; empty where none is known."""
    try:
        return decode((out / STATE_FILE).read_bytes(), State).videos
    except (OSError, ValueError):
        return {}


def _is_same(known, wanted):
    """Whether a video that is done needs not be done again."""
    return (known.file, known.settings) == (wanted.file, wanted.settings) and (
        known.name == wanted.name or bool(known.reason)
    )


def _state(path, video):
    state = state_of(path)
    if state is None and not video.reason:
        raise DataError(f"{path} is gone, or cannot be looked at.")
    return state or (0, 0)  # Of a link that leads nowhere.


def _work(todo, paths, videos, out, done, *, processes):
    """Does what is to do, adds it to `done`, and remembers it now and then."""
    if not todo:
        return
    cache, saved = ScanCache(out), time.monotonic()

    def save():
        content = dataclasses.asdict(State(done))
        write_atomically(out / STATE_FILE, json.dumps(content, indent=0))
        cache.save()

    others = active_children()
    context = get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_end_together)
    jobs = {
        pool.submit(code, paths[name], videos[name], new_path(out, entry), entry): name
        for name, entry in sorted(todo.items())
    }
    try:
        for job in tqdm(as_completed(jobs), "prepare", len(jobs), disable=None):
            name = jobs[job]
            entry, found = job.result()
            if entry.reason:
                entry = dataclasses.replace(entry, name=name)
                copy(paths[name], new_path(out, entry))
            else:
                target = str(new_path(out, entry))
                cache.put(target, Video(**found), state=state_of(target))
            done[name] = entry
            if time.monotonic() - saved > SAVE_EVERY:
                save()
                saved = time.monotonic()
    except BrokenProcessPool:
        raise DataError(
            "A process that codes videos has died, perhaps for want of memory: the "
            "same command goes on, and --processes=1 takes least."
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        # After an error or an interruption one may be coding a video of hours.
        for process in set(active_children()) - set(others):
            process.terminate()
        save()


def _end_together():
    """Makes a process end with its parent, however that ends, and only then.

    It would otherwise write to the new folder beside the command that goes on.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, too.

    def wait():
        parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def code(path, video, target, entry):
    """Codes one video, in a process of its own; whole or not at all.

    Args:
        path: of the original.
        video: its `Video`.
        target: `Path` of the new file.
        entry: its `Done`, as it is to become.

    Returns:
        (`Done`, with a reason where it could not be coded; dict of the fields of the
        new file's `Video`).

    Raises:
        StorageError: it cannot be written.
    """
    if video.reason:
        return entry, {}
    if len(os.fsencode(target.name)) > LONGEST_NAME:
        reason = "has a name that leaves no room for .mp4"
        return dataclasses.replace(entry, reason=reason), {}
    with _written(target) as part:
        try:
            settings = dataclasses.asdict(entry.settings)
            return entry, encode_again(path, video, part, **settings)
        except DecodeError as error:
            part.unlink(missing_ok=True)
            return dataclasses.replace(entry, reason=str(error)), {}


def copy(path, target):
    """Copies a file as it is, whole or not at all.

    What is no file that can be read, such as a link that leads nowhere, becomes an
    empty file: listed still, and still bad.

    Raises:
        StorageError: it cannot be written.
    """
    with _written(target) as part:
        if os.path.isfile(path) and os.access(path, os.R_OK):
            shutil.copyfile(path, part)
        else:
            part.touch()


@contextlib.contextmanager
def _written(target):
    """A path beside `target` that takes its place, if it is there in the end.

    No other process writes to it, not one that was left by a command that was killed.
    It is Unicode where the target is, since that decides which decoder reads a file.
    """
    name = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:32]
    odd = re.sub("[^\udc80-\udcff]", "", target.name)[:1]
    part = target.with_name(f".{name}.{os.getpid()}{odd}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for left in target.parent.glob(f".{name}.*.part"):
            left.unlink(missing_ok=True)
        yield part
        if part.exists():
            sync(part)
            os.replace(part, target)
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(f"{target} cannot be written: {reason}.") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
