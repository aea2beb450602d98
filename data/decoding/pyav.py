"""Frames of video files by PyAV: the second witness, and the reader of last resort.

PyAV has an FFmpeg of its own, another than OpenCV's. Frames are turned as a player
turns them; those of interlaced video are used as they are decoded, both fields woven
into one picture.
"""

import itertools
import os
import threading

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import VideoReformatter

from data.decoding.errors import DecodeError, NotAVideo
from data.decoding.formats import FORMATS, PROTOCOLS
from data.decoding.shown import display_matrix, pixel_aspect, upright
from data.decoding.time_stamps import number_of

# What PyAV raises on files that it cannot read, and on names and texts in them.
UNREADABLE = (av.FFmpegError, OSError, ValueError, LookupError, RuntimeError)
# How often a seek is tried, each time further back by at least so many frames.
SEEK_ATTEMPTS, SEEK_BACK = 6, 16


class Converter(threading.local):
    """What converts pixel formats; each thread has its own, which is set up once."""

    def __init__(self):
        """Makes the converter of this thread."""
        self.of_thread = VideoReformatter()


CONVERTER = Converter()


class AvVideo:
    """A video file that PyAV has opened.

    Attributes:
        header_frames: how many frames there are according to the header; 0 if it does
            not say.
        fps: frames per second according to the header, 0.0 if it does not say.
        codec: four letters according to the header.
        pixel_aspect: width of a stored pixel as it is shown, in units of its height.
    """

    def __init__(self, path, shape=None):
        """Opens a file.

        Args:
            path: the file.
            shape: (height, width) that `image` brings all frames to; None takes that of
                the first one.

        Raises:
            NotAVideo: it holds a picture that goes with sound.
            DecodeError: FFmpeg finds no video in it.
        """
        try:
            self._container = av.open(
                # An absolute path is no address, whatever colons the name holds.
                os.path.abspath(path),
                options={"protocol_whitelist": PROTOCOLS, "format_whitelist": FORMATS},
                metadata_errors="replace",
            )
        except UNREADABLE as error:
            raise DecodeError("holds no video that can be opened") from error
        self._stream = self._container.streams.best("video")
        if self._stream is None:
            self.close()
            raise DecodeError("holds no video that can be opened")
        if self._stream.disposition & Disposition.attached_pic:
            self.close()
            raise NotAVideo("holds a cover picture and no video")
        # Whole clips are decoded side by side; FFmpeg's threads would only compete.
        self._stream.codec_context.thread_count = 1
        self._rotation = self._matrix = None  # of the last frame
        self._shape = shape
        self.header_frames = self._stream.frames
        self.fps = float(self._stream.average_rate or 0)
        self.codec = self._stream.codec_context.codec_tag
        self.pixel_aspect = pixel_aspect(self._stream.sample_aspect_ratio)

    def __enter__(self):
        """Gives itself; the end of the `with` block closes the file."""
        return self

    def __exit__(self, *_):
        """Closes the file."""
        self.close()

    def close(self):
        """Closes the file."""
        self._container.close()

    def seek(self, timestamp):
        """Goes to the last place at or before a frame from which frames decode.

        Args:
            timestamp: `pts` of the frame.
        """
        try:
            self._container.seek(timestamp, stream=self._stream)
        except UNREADABLE as error:
            raise DecodeError(f"cannot be read from {timestamp}") from error

    def __iter__(self):
        """Yields the av.VideoFrame that follow; damaged packets are passed over."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except UNREADABLE:  # The file ends here, however it goes on.
                packet = None
            try:
                yield from self._stream.decode(packet)
            except av.EOFError:
                return
            except UNREADABLE:
                pass
            if packet is None:
                return

    def image(self, frame):
        """The pixels of a frame as shown, but for the shape of a pixel.

        Args:
            frame: av.VideoFrame.

        Returns:
            uint8 [height, width, 3], blue, green, red; a view that is not contiguous
            where the frame is turned. All have the size of the first one.
        """
        matrix = self._matrix_of(frame)
        height, width = frame.height, frame.width
        if self._shape:  # As shown: the frame is not yet turned.
            height, width = self._shape[:: -1 if self.is_turned(frame) else 1]
        converted = CONVERTER.of_thread.reformat(
            # OpenCV's interpolation, of colours that are stored at half the size.
            frame,
            width=width,
            height=height,
            format="bgr24",
            interpolation="BICUBIC",
        )
        image = upright(converted.to_ndarray(), matrix)
        self._shape = self._shape or image.shape[:2]
        return image

    def luma(self, frame):
        """The brightness of a frame's pixels as they are stored, at almost no cost.

        Args:
            frame: av.VideoFrame.

        Returns:
            uint8 [height, width], turned as by `image`, a view of the frame's memory;
            None where the format does not store it as bytes side by side.
        """
        kind = frame.format
        if not kind.is_planar or kind.is_rgb or kind.components[0].bits != 8:
            return None
        plane = frame.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        return upright(rows[: frame.height, : frame.width], self._matrix_of(frame))

    def is_turned(self, frame):
        """Whether a frame is shown turned by a quarter."""
        (a, b), _ = self._matrix_of(frame)
        return abs(b) > abs(a)

    def _matrix_of(self, frame):
        """`display_matrix` of a frame, looked up only where it may have changed."""
        if self._rotation != frame.rotation:
            self._rotation, self._matrix = frame.rotation, display_matrix(frame)
        return self._matrix


def read_frames(path, numbers, *, shape=None, first_stamp=0, stamp_step=0.0):
    """Decodes chosen frames of a file.

    Args:
        path: the file.
        numbers: int [n], frame numbers from 0, ascending, none twice.
        shape: (height, width) that all frames are brought to; None takes that of the
            first one decoded.
        first_stamp: time stamp of frame 0.
        stamp_step: time from one frame to the next, in units of the time stamps. Frames
            are then found by it; with 0.0 the file is decoded from its start.

    Yields:
        uint8 [height, width, 3], blue, green, red, for each number.

    Raises:
        DecodeError: a frame is missing or cannot be decoded.
    """
    done = 0
    with AvVideo(path, shape) as video:
        frames = enumerate(video)
        if stamp_step:
            frames = _sought(video, numbers[0], first_stamp, stamp_step)
        for wanted in numbers:
            frame = next((frame for number, frame in frames if number == wanted), None)
            if frame is None:
                break
            done += 1
            yield np.ascontiguousarray(video.image(frame))
    if done < len(numbers) and stamp_step:
        # The seek failed, or frames are lost after one: slower, but the same frames.
        yield from read_frames(path, numbers[done:], shape=shape)
    elif done < len(numbers):
        raise DecodeError(f"frame {numbers[done]} is missing")


def _sought(video, wanted, first, step):
    """Yields (number, av.VideoFrame) from a key frame at or before `wanted` on.

    Nothing where a seek finds none; it ends where a number is left out, as some
    decoders do after a seek.
    """
    back = 0
    for _ in range(SEEK_ATTEMPTS):
        target = max(wanted - back, 0)
        video.seek(first + round(target * step))
        frames, landed = iter(video), wanted + 1
        for frame in frames:
            if frame.pts is None:
                return
            landed = number_of(frame.pts, first, step)
            if landed > wanted:
                break
            if frame.key_frame:
                yield from _unbroken(itertools.chain([frame], frames), first, step)
                return
        if target == 0:
            return
        # Some containers find a place by when a frame is decoded, which is before it
        # is shown, and go to a key frame after the one that was meant.
        back += max(2 * (landed - wanted), SEEK_BACK)


def _unbroken(frames, first, step):
    """Yields (number, frame) of frames until one is missing."""
    before = None
    for frame in frames:
        number = None if frame.pts is None else number_of(frame.pts, first, step)
        if number is None or before is not None and number != before + 1:
            return
        yield number, frame
        before = number
