"""What a data set offers to the pipeline: facts about its videos, and random access."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listing:
    """The videos of a data set as its lists name them, before any is opened.

    Attributes:
        class_names: in the order of the labels.
        names: [videos] "Class/video.avi" as listed, the training list first.
        labels: int [videos], from 0.
        groups: int [videos], the number after _g in the name, -1 without one.
        train_size: how many of the videos, from the first on, are the training list.
        paths: [videos] where each file lies.
    """

    class_names: tuple[str, ...]
    names: tuple[str, ...]
    labels: np.ndarray
    groups: np.ndarray
    train_size: int
    paths: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Video:
    """What a video really holds, as opposed to what its header says.

    Attributes:
        frames: how many frames decode, 0 for a bad video.
        height, width: of every decoded frame in pixels.
        rate: frames per second by the header, 0.0 if it does not say.
        codec: four letters by the header.
        promised: how many frames the header says.
        exact: whether seeking to a frame gives that frame.
        reason: why the video is bad; empty for a good one.
    """

    frames: int = 0
    height: int = 0
    width: int = 0
    rate: float = 0.0
    codec: str = ""
    promised: int = 0
    exact: bool = True
    reason: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A listing, what its videos hold, and `read`, which subclasses provide."""

    listing: Listing
    videos: tuple[Video, ...]

    def read(self, video, *, frames, regions, size, flip, out):
        """Decodes regions of chosen frames of one video into `out`.

        Args:
            video: index into the listing.
            frames: int [T], each in [0, frames of the video).
            regions: list of (top, left, height, width) in pixels.
            size: height and width of the result in pixels.
            flip: whether to mirror left and right.
            out: uint8 [regions, T, 3, size, size], filled in place: RGB planes.

        Raises:
            DecodeError: the video does not hold what it held when it was scanned.
        """
        raise NotImplementedError
