"""Writes frames as video files."""

import os

import cv2
import numpy as np


def write_video(path, frames, *, fps=25.0, codec="MJPG"):
    """Writes an AVI file.

    Args:
        path: the file.
        frames: uint8 [T, height, width, 3], RGB.
        fps: frames per second, as the header will say.
        codec: its four letters. MJPG codes every frame on its own, so that a frame's
            compression says nothing about its neighbours.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        name = os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError:  # On which OpenCV would crash.
        raise OSError("the name of a video must be UTF-8") from None
    height, width = frames.shape[1:3]
    writer = cv2.VideoWriter(
        name,
        cv2.CAP_FFMPEG,
        cv2.VideoWriter_fourcc(*codec),
        fps,
        (width, height),
    )
    if not writer.isOpened():
        raise OSError(f"{path} cannot be written as {codec}.")
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
