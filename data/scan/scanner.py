"""Decodes every video once, in other processes, to find out what each really holds."""

import os
import queue
import stat
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

from tqdm import tqdm

from data.decoding.reader import thread_count
from data.scan.cache import state_of
from data.scan.decoder_process import CRASH, SLOW, DecoderProcess
from data.scan.video import Video

# Time in which a file must give a frame: far more than any good one needs, even over a
# network. There is no limit on all frames together: a recording may last for hours.
SECONDS = 60.0
SAVE_EVERY = 30.0  # seconds


def scan_videos(paths, *, cache, processes=0, after_video=lambda: None):
    """Tells what files hold; those that the cache knows are not decoded again.

    Args:
        paths: of the files.
        cache: `ScanCache`, which is brought up to date and saved. A file that crashed
            or hung the decoder is not remembered but tried again the next time.
        processes: how many files are decoded at once; 0 takes one for each core.
        after_video: called after each file that was decoded.

    Returns:
        tuple of `Video`, in the order of the paths; the bad ones have a reason.
    """
    found, unknown = {}, []
    for path in paths:
        reason = unusable(path)
        found[path] = Video(reason=reason) if reason else cache.get(path)
        if found[path] is None:
            unknown.append(path)
    if unknown:
        processes = min(thread_count(processes), len(unknown))
        found |= _decode(unknown, cache, processes, after_video)
    return tuple(found[path] for path in paths)


def scan_file(path, decoder):
    """Tells what one file holds.

    Args:
        path: the file.
        decoder: `DecoderProcess`, which decodes it.

    Returns:
        Video; a bad one has a reason.
    """
    reason = unusable(path)
    if reason:
        return Video(reason=reason)
    return Video(**decoder.inspect(path, seconds=SECONDS))


def unusable(path):
    """The reason why a path is not a file that can be read; "" if it is one."""
    try:
        status = os.stat(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not stat.S_ISREG(status.st_mode):
        return "is not a file"
    if not status.st_size:
        return "is empty"
    return "" if os.access(path, os.R_OK) else "cannot be read: Permission denied"


def _decode(paths, cache, processes, after_video):
    """Scans files with a progress bar; an interruption costs at most half a minute.

    Returns:
        dict of path -> `Video`.
    """
    idle = queue.SimpleQueue()
    decoders = [DecoderProcess() for _ in range(processes)]
    for decoder in decoders:
        idle.put(decoder)

    def scan(path):
        decoder, state = idle.get(), state_of(path)
        try:
            return path, scan_file(path, decoder), state
        finally:
            idle.put(decoder)

    found, saved = {}, time.monotonic()
    threads = ThreadPoolExecutor(processes)
    try:
        tasks = as_completed([threads.submit(scan, path) for path in paths])
        for task in tqdm(tasks, "scan", len(paths), unit="video", disable=None):
            path, video, state = task.result()
            found[path] = video
            if not video.reason.startswith((SLOW, CRASH)):
                cache.put(path, video, state=state)
            after_video()
            if time.monotonic() - saved > SAVE_EVERY:
                cache.save()
                saved = time.monotonic()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for decoder in decoders:
            decoder.close()
        cache.save()
    return found
