"""Decodes every video once, in processes of their own, to know what each holds."""

import os
import queue
import stat
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

from tqdm import tqdm

from data.reading import thread_count
from data.source import Video
from data.worker import CRASH, SLOW, Worker

# Time a file may take: far more than any good one needs, even over a network.
SECONDS, SECONDS_PER_MEGABYTE = 30.0, 3.0
SAVE_EVERY = 30.0  # seconds


def inspect_videos(paths, *, manifest, workers=0, after_video=lambda: None):
    """Tells what files hold, from the manifest where they have not changed.

    Args:
        paths: of the files.
        manifest: `Manifest`, brought up to date and saved. A file that crashed or hung
            the decoder is not remembered but tried again the next time.
        workers: processes; 0 takes one for each core.
        after_video: called after each that was decoded.

    Returns:
        tuple of `Video`, in the order of the paths; bad ones have a reason.
    """
    found, unknown = {}, []
    for path in paths:
        reason = unusable(path)
        found[path] = Video(reason=reason) if reason else manifest.get(path)
        if found[path] is None:
            unknown.append(path)
    if unknown:
        workers = min(thread_count(workers), len(unknown))
        found |= _decode(unknown, manifest, workers, after_video)
    return tuple(found[path] for path in paths)


def inspect_file(path, worker):
    """What one file holds, as a `Video`, found out by a `Worker`."""
    reason = unusable(path)
    if reason:
        return Video(reason=reason)
    seconds = SECONDS + SECONDS_PER_MEGABYTE * os.path.getsize(path) / 1e6
    return Video(**worker.inspect(path, seconds=seconds))


def unusable(path):
    """Why a path is not a file that can be read, or "" if it is one."""
    try:
        status = os.stat(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not stat.S_ISREG(status.st_mode):
        return "is not a file"
    if not status.st_size:
        return "is empty"
    return "" if os.access(path, os.R_OK) else "cannot be read: Permission denied"


def _decode(paths, manifest, workers, after_video):
    """Path -> `Video`, with a progress bar; all but the last half minute is kept."""
    idle = queue.SimpleQueue()
    pool = [Worker() for _ in range(workers)]
    for worker in pool:
        idle.put(worker)

    def inspect(path):
        worker = idle.get()
        try:
            return path, inspect_file(path, worker)
        finally:
            idle.put(worker)

    found, saved = {}, time.monotonic()
    threads = ThreadPoolExecutor(workers)
    try:
        tasks = as_completed([threads.submit(inspect, path) for path in paths])
        for task in tqdm(tasks, "scan", len(paths), unit="video", disable=None):
            path, video = task.result()
            found[path] = video
            if not video.reason.startswith((SLOW, CRASH)):
                manifest.put(path, video)
            after_video()
            if time.monotonic() - saved > SAVE_EVERY:
                manifest.save()
                saved = time.monotonic()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for worker in pool:
            worker.close()
        manifest.save()
    return found
