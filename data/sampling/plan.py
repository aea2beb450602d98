"""Decides what is read for one clip (frames, regions, flip) before any decoding.

Every decision is a pure function of the configuration, the seed, the position in the
stream and what the scan found out about the video.
"""

import dataclasses

import numpy as np

from configs.command.errors import ConfigError
from configs.schema.data import TORCHVISION_RATE
from data.sampling.crops import (
    CROP_DRAWS,
    centre_square,
    random_resized_crop,
    three_crop,
)
from data.sampling.draws import uniforms
from data.sampling.frames import (
    clip_frames,
    end_to_end_starts,
    first_to_last_starts,
    random_segment_frames,
    resampled_count,
    resampled_frames,
    spread_segment_frames,
    spread_starts,
    train_start,
)

# Numbers of the streams, so that their random numbers do not repeat one another.
TRAIN, VALIDATION, VIEWS = range(3)
# As in the official recipes: resize the short side to 256, crop the centre 224.
VALIDATION_FRACTION = 224 / 256


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is read for one clip, and the seed of the model's random decisions about it.

    Attributes:
        frames: int [T], frame numbers, in the order in which the clip shows them.
        regions: list of (top, left, height, width) in pixels, one for each crop.
        flip: whether left and right are mirrored.
        seed: int32 [2], for the random decisions that the model makes about the clip.
    """

    frames: np.ndarray
    regions: list
    flip: bool = False
    seed: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(2, np.int32))


def train_plan(video, data, *, seed, position):
    """A random clip, crop and flip of one video.

    Args:
        video: a `data.scan.video.Video`, or anything with its frames, height and width.
        data: a `configs.schema.Data`.
        seed: int in [0, 2^31), the run's seed.
        position: int, the position in the training stream.

    Returns:
        Plan with one region.
    """
    draws = uniforms((seed, TRAIN), position, 4 + CROP_DRAWS + 2 * data.frames)
    order, segments = np.split(draws[4 + CROP_DRAWS :], 2)
    if data.frame_sampling == "segments":
        frames = random_segment_frames(video.frames, segments)
    else:
        span = data.frames * data.frame_interval
        frames = _frames_from(train_start(video.frames, span, draws[0]), video, data)
    return Plan(
        frames=_ordered(frames, data, order),
        regions=[
            random_resized_crop(
                video.height,
                video.width,
                crop_area=data.crop_area,
                draws=draws[4 : 4 + CROP_DRAWS],
            )
        ],
        flip=bool(data.flip and draws[1] < 0.5),
        seed=(draws[2:4] * 2**31).astype(np.int32),
    )


def validation_plan(video, data, *, seed, position):
    """The centred clip and crop of one video.

    Args:
        video: see `train_plan`.
        data: a `configs.schema.Data`.
        seed: int in [0, 2^31); it matters only where frames are shuffled.
        position: int, index of the video in the validation list.

    Returns:
        Plan with one region.
    """
    order = uniforms((seed, VALIDATION), position, data.frames)
    return Plan(
        frames=_ordered(_spread_frames(video, data, 0, 1), data, order),
        regions=[centre_square(video.height, video.width, VALIDATION_FRACTION)],
    )


def view_plan(video, data, *, views, seed, position):
    """All crops of one of the evenly spaced clips of one video.

    Args:
        video: see `train_plan`.
        data: a `configs.schema.Data`.
        views: a `configs.schema.Views`.
        seed: int in [0, 2^31); it matters only where frames are shuffled.
        position: index of the video in the test list, times views.clips, plus the
            number of the clip.

    Returns:
        Plan with views.crops regions.
    """
    frames = _view_frames(video, data, views, position % views.clips)
    order = uniforms((seed, VIEWS), position, data.frames)
    return Plan(
        frames=_ordered(frames, data, order),
        regions=view_regions(video, data, views),
    )


def view_regions(video, data, views):
    """The squares of each clip of a test video: (top, left, height, width) in pixels.

    Args:
        video: see `train_plan`.
        data: a `configs.schema.Data`.
        views: a `configs.schema.Views`.

    Returns:
        list of views.crops of them.
    """
    fraction = data.size / (views.short_side or data.size)
    return three_crop(video.height, video.width, views.crops, fraction)


def rate_is_missing(video, views):
    """Whether views depend on a frame rate that the file of a video does not say."""
    return views.sampling == "torchvision" and not video.fps


def require_rates(videos, names, views):
    """Refuses test videos of which views.sampling needs a frame rate that is not known.

    Args:
        videos: of `data.scan.video.Video`; bad ones do not count.
        names: of the videos.
        views: a `configs.schema.Views`.

    Raises:
        ConfigError: there is such a video.
    """
    for video, name in zip(videos, names, strict=True):
        if rate_is_missing(video, views) and not video.reason:
            raise ConfigError(
                "views.sampling must be official or mmaction2 where a video does not "
                f"say its frame rate, as {name}; received {views.sampling!r}."
            )


def _view_frames(video, data, views, clip):
    """Frame numbers [T] of one clip of a test video, by the rule of views.sampling."""
    if views.sampling == "torchvision":
        rates = video.fps, TORCHVISION_RATE
        shown = resampled_count(video.frames, *rates)
        start = first_to_last_starts(shown, data.frames, views.clips)[clip]
        numbers = clip_frames(start, frames=data.frames, interval=1, count=shown)
        return resampled_frames(numbers, video.frames, *rates)
    if views.sampling == "mmaction2":
        reach = (data.frames - 1) * data.frame_interval + 1
        # A single frame is placed as for its 2D models.
        place = spread_starts if data.frames == 1 else end_to_end_starts
        start = place(video.frames, reach, views.clips)[clip]
        return _frames_from(start, video, data)
    return _spread_frames(video, data, clip, views.clips)


def _spread_frames(video, data, clip, clips):
    """Frame numbers [T] of one of so many evenly spaced clips."""
    if data.frame_sampling == "segments":
        return spread_segment_frames(video.frames, data.frames, clip, clips)
    span = data.frames * data.frame_interval
    return _frames_from(spread_starts(video.frames, span, clips)[clip], video, data)


def _frames_from(start, video, data):
    """Frame numbers [T] of the clip that begins with one of them."""
    return clip_frames(
        start, frames=data.frames, interval=data.frame_interval, count=video.frames
    )


def _ordered(frames, data, order):
    """Frame numbers [T], in the order of the draws if they are shuffled."""
    return frames[np.argsort(order, kind="stable")] if data.shuffle_frames else frames
