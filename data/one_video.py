"""The views of video files outside any data set."""

import contextlib
import functools
import queue

import numpy as np
from absl import logging

from data.ahead import run_ahead
from data.decoding.errors import DecodeError
from data.decoding.reader import thread_count
from data.decoding.video import read_clip
from data.sampling.plan import rate_is_missing, view_plan
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
    threads, idle = thread_count(data.threads), queue.SimpleQueue()
    with contextlib.ExitStack() as stack:
        for _ in range(threads):
            idle.put(stack.enter_context(DecoderProcess()))

        def read(path):
            decoder = idle.get()
            try:
                return path, _views(path, scanned(path, decoder), data, views)
            except DecodeError as error:
                return path, error
            finally:
                idle.put(decoder)

        yield from run_ahead((functools.partial(read, p) for p in paths), threads)


def scanned(path, decoder):
    """What a file holds, a `data.scan.Video`; logs what is unusual about it.

    Args:
        path: the file.
        decoder: the `DecoderProcess` that decodes it whole.

    Raises:
        DecodeError: it cannot be read.
    """
    video = scan_file(path, decoder)
    if video.reason:
        raise DecodeError(video.reason)
    if video.note:
        logging.warning("%s is %s.", path, video.note)
    return video


def _views(path, video, data, views):
    if rate_is_missing(video, views):
        raise DecodeError(
            f"does not say its frame rate, which views.sampling={views.sampling} needs"
        )
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
