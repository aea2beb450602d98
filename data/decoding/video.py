"""Reads chosen frames and regions of video files as planar `uint8` clips."""

import math

import cv2
import numpy as np

from data.decoding import opencv, pyav
from data.decoding.errors import DecodeError


def read_clip(path, video, *, frames, regions, size, flip=False, out):
    """Decodes the chosen frames of one file and writes the chosen regions into `out`.

    It takes one pass, and resizes each region straight to the clip's size.

    Args:
        path: the file.
        video: `data.scan.video.Video`, what a scan has found in it: the decoder that
            reads it, where it can seek to, and the sizes of a frame.
        frames: int [T], frame numbers from 0, in any order, repeats allowed.
        regions: list of (top, left, height, width) in pixels of a frame as it is shown.
        size: height and width of the result in pixels.
        flip: whether to mirror left and right.
        out: uint8 [regions, T, 3, size, size], overwritten: RGB planes, 0–255.

    Raises:
        DecodeError: a frame is missing or does not have the expected shape.
    """
    wanted, first = np.unique(frames, return_index=True)
    shape = (video.decoded_height, video.decoded_width)
    if shape != (video.height, video.width):
        regions = [_decoded_region(region, video) for region in regions]
    if video.decoder == "opencv":
        images = opencv.read_frames(path, wanted, seek=video.seek_exact)
    else:
        images = pyav.read_frames(
            path,
            wanted,
            shape=shape,
            first_stamp=video.first_stamp,
            stamp_step=video.stamp_step,
        )
    scratch = np.empty((size, size, 3), np.uint8)
    for number, slot, image in zip(wanted, first, images, strict=True):
        _check(image, number, shape)
        _cut(image, regions, flip, scratch, out[:, slot])
    _repeat(out, frames, wanted, first)


def read_pictures(pictures, *, frames, regions, size, flip, shape, out):
    """Does the same as `read_clip` for a video whose frames are separate pictures.

    Args:
        pictures: bytes of each frame, in an image format that OpenCV knows.
        frames: see `read_clip`, as for all that follow.
        regions: list of (top, left, height, width) in pixels.
        size: height and width of the result in pixels.
        flip: whether to mirror left and right.
        shape: (height, width) that every decoded frame must have.
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


def _decoded_region(region, video):
    """A region of a frame as shown, in pixels of the decoded frame.

    They differ where pixels are not square: a DV frame of 144 x 96 is shown as wide as
    205 square pixels.
    """
    top, left, height, width = region
    down = video.decoded_height / video.height
    across = video.decoded_width / video.width
    first_row, first_column = math.floor(top * down), math.floor(left * across)
    return (
        first_row,
        first_column,
        max(math.floor((top + height) * down) - first_row, 1),
        max(math.floor((left + width) * across) - first_column, 1),
    )


def _check(image, number, shape):
    """Raises DecodeError unless a frame was decoded with the shape it must have."""
    if image is None or image.shape[:2] != shape:
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


def _repeat(out, frames, wanted, first):
    """Copies frames that a short video shows more than once."""
    if len(wanted) == len(frames):
        return
    sources = first[np.searchsorted(wanted, frames)]
    for slot, source in enumerate(sources):
        if slot != source:
            out[:, slot] = out[:, source]
