"""The views of one video file, outside any data set."""

import numpy as np
from absl import logging

from data.decoding.errors import DecodeError
from data.decoding.video import read_clip
from data.sampling.plan import view_plan
from data.scan import DecoderProcess, scan_file


def video_views(path, *, data, views):
    """All views of one video file.

    Args:
        path: the file, str.
        data: a `configs.schema.Data`.
        views: a `configs.schema.Views`.

    Returns:
        uint8 [views.clips * views.crops, T, 3, size, size].

    Raises:
        DecodeError: the file cannot be read.
    """
    with DecoderProcess() as decoder:
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
