"""What a data set offers: a list of its videos, facts about them, random access."""

import dataclasses

import numpy as np

from data.scan import Video


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listing:
    """The videos of a data set as its lists name them, before any is opened.

    Attributes:
        class_names: in the order of the labels.
        names: [videos] "Class/video.avi" as listed, the training list first.
        labels: int [videos], from 0.
        groups: int [videos], the number after _g in the name, -1 without one.
        train_size: how many of the videos, from the first on, are the training list.
        paths: [videos] path of each file; empty where videos are not files.
    """

    class_names: tuple[str, ...]
    names: tuple[str, ...]
    labels: np.ndarray
    groups: np.ndarray
    train_size: int
    paths: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A data set whose clips can be read in any order; subclasses provide `read`.

    Attributes:
        listing: the videos as its lists name them.
        videos: [videos], what each of them really holds, in the order of the listing.
    """

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
            out: uint8 [regions, T, 3, size, size], overwritten: RGB planes.

        Raises:
            DecodeError: the video no longer holds what the scan found.
        """
        raise NotImplementedError
