"""Writes a video again with something drawn on its frames."""

import numpy as np

from data.decoding.encode import encode_drawn
from data.one_video import scanned
from data.scan import DecoderProcess
from storage.files import written_aside


def write_annotated(path, target, overlay):
    """Writes a video as an MP4 file that browsers play, with pictures on its frames.

    The frames are those that a model sees, one for one; sound is left out.

    Args:
        path: of the video.
        target: `Path` of the file, which must not exist; it appears whole or not at
            all.
        overlay: a function of the number of a frame and of its height and width in
            pixels, which returns uint8 [h, w, 4], RGBA, drawn at its top left.

    Raises:
        ConfigError: the file exists.
        DecodeError: the video cannot be read.
        StorageError: the file cannot be written.
    """
    with DecoderProcess() as decoder:
        video = scanned(path, decoder)

    def drawn(number, image):
        height, width = image.shape[:2]
        picture = overlay(number, height, width)[:height, :width]
        part = image[: picture.shape[0], : picture.shape[1]]
        opacity = picture[..., 3:] / np.float32(255)
        # The frame is blue, green, red.
        part[:] = part + opacity * (picture[..., 2::-1] - part.astype(np.float32)) + 0.5

    with written_aside(target) as aside:
        encode_drawn(path, video, aside, drawn)
