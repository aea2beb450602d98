"""Videos on disk to clips on replicas: `open_clips` for a data set, `video_views`."""

import numpy as np
from absl import logging

from data.decode import DecodeError, read_clip
from data.files import Files
from data.inspection import inspect_file, inspect_videos
from data.manifest import Manifest
from data.pipeline import Clips
from data.plan import view_plan
from data.reading import thread_count
from data.ucf101 import list_videos
from data.worker import Worker

__all__ = ["Clips", "DecodeError", "open_clips", "video_views"]


def open_clips(data, views, *, seed, leave_out=(), after_video=lambda: None):
    """Lists, scans and checks a data set.

    Args:
        data: `configs.schema.Data`.
        views: `configs.schema.Views`.
        seed: int in [0, 2^31), of the order of clips and of every augmentation.
        leave_out: names of training videos not to train on, though they can be read:
            what a run that is continued could not read when it began.
        after_video: called after each video that had to be scanned.

    Returns:
        `data.pipeline.Clips`.

    Raises:
        DataError: the data set is incomplete, inconsistent or too damaged.
    """
    source = _open_source(data, after_video)
    clips = Clips(source, data, views, seed=seed, leave_out=leave_out)
    for name, reason in clips.bad_train_videos.items():
        logging.warning("Left out of training: %s %s.", name, reason)
    for name in sorted(set(leave_out) - clips.bad_train_videos.keys()):
        logging.warning("Left out of training: %s was bad when the run began.", name)
    for name, reason in clips.bad_test_videos.items():
        logging.warning("Counts as wrong in the evaluation: %s %s.", name, reason)
    return clips


def _open_source(data, after_video):
    if data.source == "tfds":
        # Only here: TFDS takes seconds to import.
        from data.prepared import open_prepared

        return open_prepared(
            data.root,
            data.split,
            threads=thread_count(data.threads),
            after_video=after_video,
        )
    listing = list_videos(data.root, data.split)
    videos = inspect_videos(
        listing.paths, manifest=Manifest(data.root), after_video=after_video
    )
    return Files(listing=listing, videos=videos)


def video_views(path, *, data, views):
    """All views of one video file.

    Args:
        path: the file, str.
        data, views: sections of the configuration.

    Returns:
        uint8 [views.clips * views.crops, T, 3, size, size].

    Raises:
        DecodeError: the file cannot be read.
    """
    with Worker() as worker:
        video = inspect_file(path, worker)
    if video.reason:
        raise DecodeError(video.reason)
    shape = (views.clips, views.crops, data.frames, 3, data.size, data.size)
    out = np.empty(shape, np.uint8)
    for clip in range(views.clips):
        plan = view_plan(video, data, views=views, seed=0, position=clip)
        read_clip(
            path,
            frames=plan.frames,
            regions=plan.regions,
            size=data.size,
            seek=video.exact,
            out=out[clip],
        )
    return out.reshape(-1, *shape[2:])
