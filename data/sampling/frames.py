"""Computes which frames of a video make a clip.

The formulas are those of mmaction's `SampleFrames` as the official Video Swin recipes
use it: at an interval (clip_len, frame_interval, out_of_bound_opt="loop"), and one of
each of equal segments of the video (clip_len, frame_uniform=True), which
`get_seq_frames` there takes from SlowFast's loader of Something-Something V2.

Two other projects that publish accuracies of Video Swin place the clips of a test in
other ways; `end_to_end_starts` and `resampled_frames` are theirs.
"""

import math

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


def end_to_end_starts(count, reach, clips):
    """Starts of evenly spaced clips, the first and the last at the ends of the video.

    So mmaction2 tests from version 1.0.0rc2 on (`SampleFrames._get_test_clips`,
    mmaction/datasets/transforms/loading.py); before, it did as `spread_starts`.

    Args:
        count: frames of the video.
        reach: frames from the first to the last frame of a clip, both included.
        clips: number of starts; one gives the centred clip.

    Returns:
        int [clips], all 0 where the video is not longer than a clip.
    """
    last = max(count - reach, 0)
    if clips == 1:
        return np.array([last // 2])
    # Halves are rounded to the even number, as there.
    return np.rint(np.arange(clips) * (last / (clips - 1))).astype(np.int64)


def resampled_count(count, fps, rate):
    """How many frames a video has once it is resampled; see `resampled_frames`.

    Args:
        count: frames of the video, at least 1.
        fps: of the video, above 0.
        rate: frames per second that are wanted.

    Returns:
        int, at least one.
    """
    step = fps / rate
    if step.is_integer():
        return math.ceil(count / step)
    return max(int(count * rate / fps), 1)


def resampled_frames(numbers, count, fps, rate):
    """The frames of a video that are shown as those of another frame rate.

    As torchvision's `VideoClips` resamples (torchvision/datasets/video_utils.py): frame
    k is the one that is shown when frame k of the new rate begins, in float32. Only
    those that are asked for are computed: where a header says an absurdly low rate, all
    would not fit into memory.

    Args:
        numbers: int [n], each in [0, `resampled_count`).
        count: frames of the video, at least 1.
        fps: of the video, above 0.
        rate: frames per second that are wanted.

    Returns:
        int [n], each in [0, count).
    """
    step = fps / rate
    if step.is_integer():
        return numbers * int(step)
    places = numbers.astype(np.float32) * np.float32(step)
    return np.minimum(places.astype(np.int64), count - 1)


def first_to_last_starts(count, frames, clips):
    """Starts of evenly spaced ones of all clips of frames that follow each other.

    As torchvision's `UniformClipSampler` chooses (torchvision/datasets/samplers), which
    rounds down, and takes the first clip where one is wanted.

    Args:
        count: frames of the video, resampled.
        frames: of a clip.
        clips: number of starts.

    Returns:
        int [clips], all 0 where the video is not longer than a clip.
    """
    return np.arange(clips) * max(count - frames, 0) // max(clips - 1, 1)


def sliding_starts(count, span, stride):
    """Starts of clips that slide over a video, of which the last one ends with it.

    It may lie nearer to the one before it. Where the stride is not above the span, they
    reach over the whole video.

    Args:
        count: frames of the video, at least 1.
        span: frames from the first to the last frame of a clip, both included.
        stride: frames from one start to the next.

    Returns:
        int [clips], the first 0; 0 alone where the video is not longer than the span.
    """
    last = max(count - span, 0)
    starts = np.arange(0, last + 1, stride)
    return starts if starts[-1] == last else np.append(starts, last)


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


def random_segment_frames(count, draws):
    """One frame of each segment of the video, at random.

    A segment includes both of its ends, so neighbours share a frame, and a clip may
    show it twice.

    Args:
        count: frames of the video.
        draws: [frames] draws from [0, 1), one for each segment.

    Returns:
        int [frames], each in [0, count), none below the one before it.
    """
    first, last = _segments(count, len(draws))
    return first + (draws * (last - first + 1)).astype(np.int64)


def spread_segment_frames(count, frames, clip, clips):
    """One frame of each segment of the video, at the same place in all segments.

    With one clip it is the middle, as in the official test. Of several, each has a
    place of its own, evenly spaced.

    Args:
        count: frames of the video.
        frames: how many frames the clip has, each from a segment of its own.
        clip: number of the clip, in [0, clips).
        clips: number of clips of the video.

    Returns:
        int [frames], each in [0, count), none below the one before it.
    """
    first, last = _segments(count, frames)
    return first + (last - first) * (2 * clip + 1) // (2 * clips)


def _segments(count, number):
    """First and last frames of equal segments of a video, both int [number]."""
    # Halves are rounded to the even number, by np.rint as by the official np.round.
    ends = np.rint((count - 1) / number * np.arange(number + 1)).astype(np.int64)
    return ends[:-1], ends[1:]
