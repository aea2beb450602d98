"""What a scan finds out about one video."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Video:
    """What a video really holds, as opposed to what its header says.

    Attributes:
        frames: how many frames decode, 0 for a bad video.
        height: height of every decoded frame in pixels.
        width: width of every decoded frame in pixels.
        fps: frames per second according to the header, 0.0 if it does not say.
        codec: four letters according to the header.
        header_frames: how many frames there are according to the header.
        seek_exact: whether seeking to a frame gives that frame.
        reason: why the video is bad; empty for a good one.
    """

    frames: int = 0
    height: int = 0
    width: int = 0
    fps: float = 0.0
    codec: str = ""
    header_frames: int = 0
    seek_exact: bool = True
    reason: str = ""
