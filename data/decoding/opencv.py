"""Frames of video files by OpenCV: the fast way, for files that a scan has checked.

OpenCV has its own FFmpeg, which decodes some videos to garbage without an error (every
interlaced one in 4.13 and 4.14). So what it gives is used only where PyAV, with another
FFmpeg, gives the same (see `data.decoding.witnesses`).
"""

import os

from data.decoding.formats import FORMATS, PROTOCOLS

# FFmpeg and OpenCV look at these when the first video is opened. Only fatal errors are
# printed, instead of a line for every damaged macroblock. Between two pictures of
# slides or a screen recording lie many thousand packets of sound; OpenCV gives up after
# 4096. A file that is really a playlist must not open others.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "8")
os.environ.setdefault("OPENCV_FFMPEG_READ_ATTEMPTS", str(10**9))
os.environ.setdefault(
    "OPENCV_FFMPEG_CAPTURE_OPTIONS",
    f"protocol_whitelist;{PROTOCOLS}|format_whitelist;{FORMATS}",
)

import cv2

from data.decoding.errors import DecodeError

# Threads decode whole clips side by side; threads inside OpenCV and FFmpeg would only
# compete with them, and starting FFmpeg's own costs more than opening a small file.
cv2.setNumThreads(0)
ONE_THREAD = (cv2.CAP_PROP_N_THREADS, 1)


def open_video(path):
    """Opens a video file with FFmpeg.

    Args:
        path: the file.

    Returns:
        cv2.VideoCapture.

    Raises:
        DecodeError: FFmpeg finds no video in the file, or its name is not Unicode.
    """
    # An absolute path is no address, whatever colons the file's name holds.
    name = utf8_name(path)
    try:
        name.encode()
    except UnicodeEncodeError as error:  # OpenCV would end the whole process.
        raise DecodeError("has a name that is not Unicode") from error
    capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, ONE_THREAD)
    if not capture.isOpened():
        raise DecodeError("holds no video that can be opened")
    return capture


def utf8_name(path):
    """The absolute path of a file as text that is, in UTF-8, the bytes of its name.

    That is the name which OpenCV opens. Where the locale is not UTF-8, Python's own
    text of the same bytes is another.
    """
    return os.fsencode(os.path.abspath(path)).decode("utf-8", "surrogateescape")


def read_frames(path, numbers, *, seek):
    """Decodes chosen frames of a file.

    It takes one pass: it seeks to the first frame and skips unwanted frames without
    converting them to pixels.

    Args:
        path: the file.
        numbers: int [n], frame numbers from 0, ascending, none twice.
        seek: whether to seek to the first of them; False decodes from the start of the
            file on.

    Yields:
        uint8 [height, width, 3], blue, green, red, for each number; overwritten by the
        next one.

    Raises:
        DecodeError: a frame is missing or cannot be decoded.
    """
    capture = open_video(path)
    try:
        position = 0
        if seek and numbers[0] > 0:
            capture.set(cv2.CAP_PROP_POS_FRAMES, int(numbers[0]))
            position = numbers[0]
        image = None
        for number in numbers:
            _advance(capture, int(number - position), number)
            position = number + 1
            decoded, image = capture.retrieve(image)
            if not decoded:
                raise DecodeError(f"frame {number} cannot be decoded")
            yield image
    finally:
        capture.release()


def _advance(capture, between, number):
    """Skips `between` frames and takes the next one, which is frame `number`."""
    for _ in range(between + 1):
        if not capture.grab():
            raise DecodeError(f"frame {number} is missing")
