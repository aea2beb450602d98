"""What is read for one clip: frames, regions and flip, decided before any decoding.

All of it is a pure function of the configuration, the seed, the position in the stream
and what the scan found out about the video.
"""

import dataclasses

import numpy as np

from data.augment import (
    CROP_DRAWS,
    centre_square,
    random_resized_crop,
    squares_along,
    uniforms,
)
from data.sampling import clip_frames, spread_starts, train_start

# Streams of random numbers that must not repeat one another.
TRAIN, VALIDATION, VIEWS = range(3)
VALIDATION_SHARE = 224 / 256  # short side 256, centre 224, as in the official recipes


@dataclasses.dataclass(frozen=True)
class Plan:
    """What `Source.read` is asked for.

    Attributes:
        frames: int [T], frame numbers.
        regions: list of (top, left, height, width) in pixels, one for each crop.
        flip: whether left and right are mirrored.
        seed: int32 [2], for the model's own random decisions about the clip.
    """

    frames: np.ndarray
    regions: list
    flip: bool = False
    seed: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(2, np.int32))


def train_plan(video, data, *, seed, position):
    """A random clip, crop and flip of one `Video` at one position of the stream."""
    draws = uniforms((seed, TRAIN), position, 4 + CROP_DRAWS + data.frames)
    start = train_start(video.frames, data.frames * data.frame_interval, draws[0])
    order = draws[4 + CROP_DRAWS :]
    return Plan(
        frames=_frames(start, video, data, order),
        regions=[
            random_resized_crop(
                video.height,
                video.width,
                area=data.crop_area,
                draws=draws[4 : 4 + CROP_DRAWS],
            )
        ],
        flip=bool(data.flip and draws[1] < 0.5),
        seed=(draws[2:4] * 2**31).astype(np.int32),
    )


def validation_plan(video, data, *, seed, position):
    """The centred clip and crop of one `Video`."""
    [start] = spread_starts(video.frames, data.frames * data.frame_interval, 1)
    order = uniforms((seed, VALIDATION), position, data.frames)
    return Plan(
        frames=_frames(start, video, data, order),
        regions=[centre_square(video.height, video.width, VALIDATION_SHARE)],
    )


def view_plan(video, data, *, views, seed, position):
    """All crops of one of the evenly spaced clips of one `Video`.

    Args:
        position: index of the video times views.clips plus number of the clip.
    """
    span = data.frames * data.frame_interval
    starts = spread_starts(video.frames, span, views.clips)
    order = uniforms((seed, VIEWS), position, data.frames)
    return Plan(
        frames=_frames(starts[position % views.clips], video, data, order),
        regions=squares_along(video.height, video.width, views.crops),
    )


def _frames(start, video, data, order):
    """int [T]; sorted by the draws `order` where the frames are to be shuffled."""
    frames = clip_frames(
        start, frames=data.frames, interval=data.frame_interval, count=video.frames
    )
    return frames[np.argsort(order, kind="stable")] if data.shuffle_frames else frames
