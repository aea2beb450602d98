"""Reads chosen frames and regions of video files as planar `uint8` clips."""

import os

# FFmpeg would write a line for every damaged macroblock; only fatal errors remain. It
# looks at this when the first video is opened.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "8")

import cv2
import numpy as np

# Threads decode whole clips side by side; threads inside OpenCV and FFmpeg would only
# compete with them, and starting FFmpeg's own costs more than opening a small file.
cv2.setNumThreads(0)
ONE_THREAD = (cv2.CAP_PROP_N_THREADS, 1)


class DecodeError(Exception):
    """A file does not hold the frames that were asked for."""


def open_video(path):
    """Opens a video file with FFmpeg.

    Args:
        path: the file.

    Returns:
        cv2.VideoCapture.

    Raises:
        DecodeError: FFmpeg finds no video in the file.
    """
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, ONE_THREAD)
    if not capture.isOpened():
        raise DecodeError("holds no video that can be opened")
    return capture


def read_clip(path, *, frames, regions, size, flip=False, seek=True, shape=None, out):
    """Decodes the chosen frames of one file and writes the chosen regions into `out`.

    It takes one pass: it seeks to the first frame, skips unwanted frames without
    converting them to pixels, and resizes each region straight to the clip's size.

    Args:
        path: the file.
        frames: int [T], frame numbers from 0, in any order, repeats allowed.
        regions: list of (top, left, height, width) in pixels of the decoded frame.
        size: height and width of the result in pixels.
        flip: whether to mirror left and right.
        seek: whether to seek to the first wanted frame; False decodes from the start
            of the file on, for a file in which seeking is not exact.
        shape: (height, width) that every decoded frame must have; None accepts any.
        out: uint8 [regions, T, 3, size, size], overwritten: RGB planes, 0–255.

    Raises:
        DecodeError: a frame is missing or does not have the expected shape.
    """
    wanted, first = np.unique(frames, return_index=True)
    capture = open_video(path)
    try:
        position = 0
        if seek and wanted[0] > 0:
            capture.set(cv2.CAP_PROP_POS_FRAMES, int(wanted[0]))
            position = wanted[0]
        image, scratch = None, np.empty((size, size, 3), np.uint8)
        for number, slot in zip(wanted, first, strict=True):
            _advance(capture, int(number - position), number)
            position = number + 1
            decoded, image = capture.retrieve(image)
            _check(image if decoded else None, number, shape)
            _cut(image, regions, flip, scratch, out[:, slot])
    finally:
        capture.release()
    _repeat(out, frames, wanted, first)


def read_pictures(pictures, *, frames, regions, size, flip, shape, out):
    """Does the same as `read_clip` for a video whose frames are separate pictures.

    Args:
        pictures: bytes of each frame, in an image format that OpenCV knows.
        frames: see `read_clip`, as for all that follow.
        regions: list of (top, left, height, width) in pixels.
        size: height and width of the result in pixels.
        flip: whether to mirror left and right.
        shape: (height, width) that every decoded frame must have; None accepts any.
        out: uint8 [regions, T, 3, size, size], overwritten.

    Raises:
        DecodeError: a frame is missing or does not have the expected shape.
    """
    wanted, first = np.unique(frames, return_index=True)
    scratch = np.empty((size, size, 3), np.uint8)
    for number, slot in zip(wanted, first, strict=True):
        if number >= len(pictures):
            raise DecodeError(f"frame {number} is missing")
        image = decode_picture(pictures[number])
        _check(image, number, shape)
        _cut(image, regions, flip, scratch, out[:, slot])
    _repeat(out, frames, wanted, first)


def decode_picture(picture):
    """Decodes one picture.

    Returns:
        uint8 [height, width, 3] in OpenCV's order blue, green, red; None if the picture
        is damaged.
    """
    data = np.frombuffer(picture, np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None


def _check(image, number, shape):
    """Raises DecodeError unless a frame was decoded with the shape it must have."""
    if image is None or shape not in (None, image.shape[:2]):
        raise DecodeError(f"frame {number} cannot be decoded as expected")


def _cut(image, regions, flip, scratch, out):
    """Writes regions of an image, scaled, to `out` [regions, 3, size, size].

    `scratch`, uint8 [size, size, 3], is overwritten.
    """
    for planes, (top, left, height, width) in zip(out, regions, strict=True):
        patch = image[top : top + height, left : left + width]
        cv2.resize(patch, scratch.shape[:2], dst=scratch)
        if flip:
            cv2.flip(scratch, 1, dst=scratch)
        red, green, blue = planes
        cv2.split(scratch, [blue, green, red])


def _advance(capture, between, number):
    """Skips `between` frames and takes the next one, which is frame `number`."""
    for _ in range(between + 1):
        if not capture.grab():
            raise DecodeError(f"frame {number} is missing")


def _repeat(out, frames, wanted, first):
    """Copies frames that a short video shows more than once."""
    if len(wanted) == len(frames):
        return
    sources = first[np.searchsorted(wanted, frames)]
    for slot, source in enumerate(sources):
        if slot != source:
            out[:, slot] = out[:, source]
