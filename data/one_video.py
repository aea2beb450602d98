"""The views of video files outside any data set."""

import collections
import queue
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from absl import logging

from data.decoding.errors import DecodeError
from data.decoding.reader import thread_count
from data.decoding.video import read_clip
from data.sampling.plan import view_plan
from data.scan import DecoderProcess, scan_file


def views_of_files(paths, *, data, views):
    """All views of each of many video files, which are read ahead of their use.

    As many files are scanned and decoded side by side as data.threads says, and no more
    are kept decoded than that.

    Args:
        paths: of the files, an iterable of str.
        data: a `configs.schema.Data`.
        views: a `configs.schema.Views`.

    Yields:
        For each file, in their order, (path, uint8 [views.clips * views.crops, T, 3,
        size, size]), or (path, `DecodeError`) where it cannot be read.
    """
    threads = thread_count(data.threads)
    decoders = queue.SimpleQueue()
    processes = [DecoderProcess() for _ in range(threads)]
    for process in processes:
        decoders.put(process)

    def read(path):
        decoder = decoders.get()
        try:
            return _views(path, decoder, data, views)
        except DecodeError as error:
            return error
        finally:
            decoders.put(decoder)

    ahead, pool = collections.deque(), ThreadPoolExecutor(threads)
    try:
        for wanted in paths:
            ahead.append((wanted, pool.submit(read, wanted)))
            if len(ahead) == threads:
                path, job = ahead.popleft()
                yield path, job.result()
        for path, job in ahead:
            yield path, job.result()
    finally:  # Also where nobody wants the rest.
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.close()


def _views(path, decoder, data, views):
    """All views of one file; raises DecodeError where it cannot be read."""
    video = scan_file(path, decoder)
    if video.reason:
        raise DecodeError(video.reason)
    if video.note:
        logging.warning("%s is %s.", path, video.note)
    shape = (views.clips, views.crops, data.frames, 3, data.size, data.size)
    out = np.empty(shape, np.uint8)
    for clip in range(views.clips):
        plan = view_plan(video, data, views=views, seed=0, position=clip)
        read_clip(
            path,
            video,
            frames=plan.frames,
            regions=plan.regions,
            size=data.size,
            out=out[clip],
        )
    return out.reshape(-1, *shape[2:])
