"""What a scan finds out about one video."""

import dataclasses
from typing import Annotated, Literal

from msgspec import Meta

Count = Annotated[int, Meta(ge=0, lt=2**40)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Video:
    """What a video really holds, as opposed to what its header says.

    Attributes:
        frames: how many frames decode, 0 for a bad video.
        height: height of a frame as it is shown: upright, with square pixels.
        width: width of a frame as it is shown.
        decoded_height: height of every decoded frame in pixels.
        decoded_width: width of every decoded frame in pixels; it differs from `width`
            where pixels are not square.
        fps: frames per second according to the header, 0.0 if it does not say.
        codec: four letters according to the header.
        header_frames: how many frames there are according to the header.
        decoder: which library reads the frames.
        seek_exact: whether seeking to a frame gives that frame.
        first_stamp: time stamp of the first frame, where PyAV reads the frames.
        stamp_step: time from one frame to the next in units of the time stamps, where
            PyAV may seek by it; else 0.0.
        note: what is unusual about a good video; empty for most.
        reason: why the video is bad; empty for a good one.
    """

    frames: Count = 0
    height: Count = 0
    width: Count = 0
    decoded_height: Count = 0
    decoded_width: Count = 0
    fps: Annotated[float, Meta(ge=0)] = 0.0
    codec: str = ""
    header_frames: Count = 0
    decoder: Literal["opencv", "pyav"] = "opencv"
    seek_exact: bool = True
    first_stamp: int = 0
    stamp_step: Annotated[float, Meta(ge=0)] = 0.0
    note: str = ""
    reason: str = ""

    def __post_init__(self):
        """Refuses what contradicts itself, so that no cache can make it be believed."""
        sizes = (self.height, self.width, self.decoded_height, self.decoded_width)
        if self.reason and self.frames:
            raise ValueError(f"a bad video must have no frames, not {self.frames}")
        if self.frames and not all(sizes):
            raise ValueError(f"a good video must have sizes above 0, not {sizes}")
