"""Codes a video anew, so that every clip of it is read quickly."""

import contextlib
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from data.decoding import opencv, pyav
from data.decoding.errors import DecodeError
from data.decoding.inspect import inspect_video

USUAL_RATE = 25  # frames per second where the header says none


def encode_again(path, video, target, *, short_side, key_frame_every, quality):
    """Writes the frames of a video, smaller, as H.264 in an MP4 file.

    It holds the frames that training reads, one for one: upright, with square pixels,
    at even times. No frame depends on a later one, and a seek decodes at most
    `key_frame_every` of them. Sound is left out.

    Args:
        path: the file.
        video: `data.scan.video.Video`, what a scan has found in it.
        target: path of the file that is written.
        short_side: height or width in pixels, whichever is smaller, of a frame; smaller
            frames stay as they are, but for an odd row or column.
        key_frame_every: frames from one that stands for itself to the next.
        quality: x264's constant rate factor, 0 (lossless) to 51.

    Returns:
        dict with the fields of `Video`, what the new file holds.

    Raises:
        DecodeError: a frame cannot be decoded, or the new file does not give the same
            number of frames by exact seeks.
    """
    size = small_size(video.height, video.width, short_side)
    rate = Fraction(video.fps or USUAL_RATE).limit_denominator(1001)
    options = {
        "crf": str(quality),
        "g": str(key_frame_every),
        "bf": "0",
        "tune": "fastdecode",
    }
    with _output(target, size, rate or USUAL_RATE, options) as write:
        for image in _images(path, video):
            write(image)
    found = inspect_video(target)
    seeks = found["seek_exact"] or video.frames == 1
    if found["frames"] != video.frames or not seeks:
        raise DecodeError(
            f"gives {found['frames']} frames of {video.frames} once it is coded anew"
        )
    return found


def encode_drawn(path, video, target, draw):
    """Writes the frames of a video, with something drawn on them, as H.264 in MP4.

    Args:
        path: the file.
        video: `data.scan.video.Video`, what a scan has found in it.
        target: path of the file that is written.
        draw: a function of the number of a frame and of its picture, uint8 [height,
            width, 3], blue, green, red, as it is shown, which it changes in place.

    Raises:
        DecodeError: a frame cannot be decoded.
    """
    side = min(video.height, video.width)
    height, width = small_size(video.height, video.width, side)
    rate = Fraction(video.fps or USUAL_RATE).limit_denominator(1001)
    with _output(target, (height, width), rate or USUAL_RATE, {"crf": "20"}) as write:
        for number, image in enumerate(_images(path, video)):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            draw(number, image)
            write(image)


@contextlib.contextmanager
def _output(target, size, rate, options):
    """Yields a function that writes a frame, uint8 [height, width, 3], BGR."""
    height, width = size
    faststart = {"movflags": "faststart"}  # The table of frames comes first.
    with av.open(str(target), "w", format="mp4", options=faststart) as out:
        stream = out.add_stream("libx264", rate=rate, options=options)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.codec_context.thread_count = 1  # Videos are coded side by side.
        stream.codec_context.colorspace = Colorspace.ITU601
        stream.codec_context.color_range = ColorRange.MPEG

        def write(image):
            small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            # FFmpeg's own conversion rounds down, which darkens and tints.
            planes = cv2.cvtColor(small, cv2.COLOR_BGR2YUV_I420)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            out.mux(stream.encode(frame))

        yield write
        out.mux(stream.encode(None))


def small_size(height, width, short_side):
    """Height and width of the frames that are written: even numbers.

    Args:
        height: of a frame as it is shown, in pixels.
        width: of the same.
        short_side: the smaller of the two that is wanted.
    """
    scale = min(short_side / min(height, width), 1)
    return tuple(max(round(side * scale) // 2 * 2, 2) for side in (height, width))


def _images(path, video):
    """Every frame as training reads it: uint8 [height, width, 3], BGR."""
    numbers = np.arange(video.frames)
    if video.decoder == "opencv":
        return opencv.read_frames(path, numbers, seek=False)
    return pyav.read_frames(
        path, numbers, shape=(video.decoded_height, video.decoded_width)
    )
