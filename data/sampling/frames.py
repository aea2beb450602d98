"""Computes which frames of a video make a clip.

The formulas are those of mmaction's `SampleFrames` as the official Video Swin recipes
use it (clip_len, frame_interval, out_of_bound_opt="loop").
"""

import numpy as np


def train_start(count, span, uniform):
    """A random start, uniform among those that keep the whole clip inside the video.

    Args:
        count: frames of the video.
        span: frames of a clip times their interval.
        uniform: a draw from [0, 1).

    Returns:
        int in [0, count - span], 0 where the video is shorter than the span.
    """
    return int(uniform * max(count - span + 1, 1))


def spread_starts(count, span, clips):
    """Starts of evenly spaced clips.

    The possible starts are divided into as many equal parts as there are clips; each
    clip starts in the middle of its part.

    Args:
        count: frames of the video.
        span: frames of a clip times their interval.
        clips: number of starts; one gives the centred clip.

    Returns:
        int [clips], all 0 where the video is shorter than the span.
    """
    if count < span:
        return np.zeros(clips, np.int64)
    part = (count - span + 1) / clips
    return (np.arange(clips) * part + part / 2).astype(np.int64)


def clip_frames(start, *, frames, interval, count):
    """Frame numbers of one clip; a video that ends too early starts again.

    Args:
        start: the first frame.
        frames: how many frames the clip has.
        interval: distance between them.
        count: frames of the video.

    Returns:
        int [frames], each in [0, count).
    """
    return (start + np.arange(frames) * interval) % count
