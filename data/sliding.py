"""Clips that slide over video files outside any data set."""

import dataclasses
import functools

import numpy as np

from data.ahead import run_ahead
from data.decoding.errors import DecodeError
from data.decoding.reader import thread_count
from data.decoding.video import read_clip
from data.one_video import scanned
from data.sampling.frames import clip_frames, sliding_starts
from data.sampling.plan import view_regions
from data.scan import DecoderProcess

# Clips that one pass over a file reads: frames that they share are decoded once, and a
# file in which no seek is trusted is read from its beginning once for all of them.
TOGETHER = 8


@dataclasses.dataclass(frozen=True)
class Window:
    """Which part of a video a clip shows.

    Attributes:
        first: number of its first frame, from 0.
        last: number of its last frame.
        fps: frames per second of the video by its header; 0.0 where it does not say.
    """

    first: int
    last: int
    fps: float

    @property
    def seconds(self):
        """Where it begins and ends in seconds; None where the rate is not known."""
        if not self.fps:
            return None
        return self.first / self.fps, (self.last + 1) / self.fps


@dataclasses.dataclass(frozen=True)
class Place:
    """Which file a clip is of, and which part of it.

    Attributes:
        number: of the file among those that were asked for, from 0.
        path: of the file.
        window: `Window`; None where the file, or some of it, cannot be read.
    """

    number: int
    path: str
    window: Window | None = None

    def __str__(self):
        """The path, with the frames where they are known."""
        if self.window is None:
            return self.path
        return f"{self.path}, frames {self.window.first}-{self.window.last}"


def windows_of_files(paths, *, data, views, stride):
    """Clips that slide over each of many video files, read ahead of their use.

    Of a long video no more is in memory than the clips that are read ahead.

    Args:
        paths: of the files, an iterable of str.
        data: a `configs.schema.Data` whose clips are frames at an interval.
        views: the `configs.schema.Views` that say which squares are cropped.
        stride: frames from the start of a clip to that of the next.

    Yields:
        For each clip, in their order, (`Place`, uint8 [views.crops, T, 3, size, size]).
        Where a file cannot be read, (`Place`, `DecodeError`), in the place of its clips
        or of some of them.
    """
    with DecoderProcess() as decoder:
        places = (Place(number, path) for number, path in enumerate(paths))
        jobs = (
            job
            for place in places
            for job in _jobs(place, decoder, data, views, stride)
        )
        for group in run_ahead(jobs, thread_count(data.threads)):
            yield from group


def _jobs(place, decoder, data, views, stride):
    """Functions that each return a list of what `windows_of_files` yields."""
    try:
        video = scanned(place.path, decoder)
    except DecodeError as error:
        yield functools.partial(list, [(place, error)])
        return
    span = (data.frames - 1) * data.frame_interval + 1
    starts = sliding_starts(video.frames, span, stride)
    for first in range(0, len(starts), TOGETHER):
        group = starts[first : first + TOGETHER]
        yield functools.partial(_read, place, video, group, span, data, views)


def _read(place, video, starts, span, data, views):
    """Some clips of one file, read in one pass."""
    clips = [
        clip_frames(
            start, frames=data.frames, interval=data.frame_interval, count=video.frames
        )
        for start in starts
    ]
    shape = (views.crops, len(starts) * data.frames, 3, data.size, data.size)
    out = np.empty(shape, np.uint8)
    try:
        read_clip(
            place.path,
            video,
            frames=np.concatenate(clips),
            regions=view_regions(video, data, views),
            size=data.size,
            out=out,
        )
    except DecodeError as error:
        return [(place, error)]
    ends = np.minimum(starts + span, video.frames) - 1
    parts = np.split(out, len(starts), axis=1)
    windows = [
        Window(int(start), int(end), video.fps)
        for start, end in zip(starts, ends, strict=True)
    ]
    return [
        (dataclasses.replace(place, window=window), part)
        for window, part in zip(windows, parts, strict=True)
    ]
