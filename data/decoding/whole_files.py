"""Decodes whole files, by OpenCV beside PyAV or by one of them, to tell what they hold.

The result of each function is a dict with the fields of `data.scan.video.Video`.
"""

import itertools
import math
import zlib

import cv2

from data.decoding.errors import DecodeError
from data.decoding.opencv import open_video
from data.decoding.pyav import AvVideo, read_frames
from data.decoding.witnesses import same_frame

PROBES = 4  # places at which a seek is compared with reading from the start
# Colours are compared every so many frames, brightness at all of them.
COLOURS_EVERY = 64
# From here on two frames of eight are compared, and those at which something changes:
# getting at pixels costs as much as decoding, and a recording may last for hours.
ALL_COMPARED, EVERY = 64, 8
# How far apart the frames are at which PyAV may begin, and how many there may be.
SEEK_DISTANCE, SEEK_POINTS = 16, 1024


class Disagreement(Exception):
    """OpenCV does not decode what PyAV decodes."""


def by_both(path, *, alive):
    """What a file holds where OpenCV and PyAV agree on every frame that is compared.

    Args:
        path: the file.
        alive: called after each frame.

    Raises:
        Disagreement: they do not.
        DecodeError: one of the two decodes nothing, or not a frame.
    """
    with AvVideo(path) as witness:
        return _by_opencv(path, witness, alive)


def by_opencv(path, *, alive):
    """What a file holds by OpenCV alone, whose pixels nobody has confirmed.

    Raises:
        DecodeError: a frame cannot be decoded, or there is none.
    """
    return _by_opencv(path, None, alive)


def by_pyav(path, *, alive):
    """What a file holds by PyAV alone.

    Raises:
        DecodeError: there is no frame that can be decoded.
    """
    sums, points, first, last = {}, [], None, -math.inf
    with AvVideo(path) as video:
        for number, frame in enumerate(video):
            if _is_compared(number):
                image = video.image(frame)
                sums[number] = _checksum(image)
                if first is None:
                    first = image.shape[:2], video.is_turned(frame)
            in_order = frame.pts is not None and last < frame.pts
            last = frame.pts if in_order else math.inf  # never in order again
            if frame.key_frame and in_order:
                if not points or number - points[-1][0] >= SEEK_DISTANCE:
                    points.append((number, frame.pts))
            alive()
        if not sums:
            raise DecodeError("holds no frame that can be decoded")
        count = number + 1
        points = points[:: math.ceil(len(points) / SEEK_POINTS) or 1]
        if last == math.inf or not _points_are_exact(path, sums, count, points):
            points = []
        return {
            "decoder": "pyav",
            "frames": count,
            **_sizes(*first, video.pixel_aspect),
            "fps": video.fps,
            "codec": _printable(video.codec),
            "header_frames": video.header_frames,
            "seek_exact": bool(points),
            "seek_points": points,
        }


def _by_opencv(path, witness, alive):
    capture = open_video(path)
    header_frames = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
    sums, shape, turned, count = _read_through(capture, witness, alive)
    probed = {1, *((2 * i + 1) * count // (2 * PROBES) for i in range(PROBES))}
    # Where a seek is not exact, it mostly fails near the start, or everywhere.
    probed = {n if n < ALL_COMPARED else n - n % EVERY for n in probed}
    aspect = witness.pixel_aspect if witness else 1.0
    fps = capture.get(cv2.CAP_PROP_FPS)
    return {
        "decoder": "opencv",
        "frames": count,
        **_sizes(shape, turned, aspect),
        "fps": fps if math.isfinite(fps) else 0.0,
        "codec": _letters(int(capture.get(cv2.CAP_PROP_FOURCC))),
        "header_frames": header_frames,
        "seek_exact": all(_seek_is_exact(capture, sums, n) for n in sorted(probed)),
    }


def _read_through(capture, witness, alive):
    """Reads all frames, and compares them with those of the witness if there is one.

    Returns:
        (number -> checksum of the frames that were looked at, (height, width), whether
        frames are turned by a quarter, number of frames).
    """
    frames = iter(witness) if witness else itertools.repeat(None)
    sums, image, before, turned = {}, None, None, False
    for number in itertools.count():
        grabbed, frame = capture.grab(), next(frames, None)
        if witness and grabbed != (frame is not None):
            verb = "ends" if frame else "goes on"
            raise Disagreement(f"{verb} after {number} frames")
        if not grabbed:
            break
        state = frame and (frame.interlaced_frame, frame.format.name, frame.width)
        if _is_compared(number) or state != before:
            decoded, image = capture.retrieve(image)
            if not decoded:
                raise DecodeError(f"has a frame {number} that cannot be decoded")
            if frame:
                colours = number % COLOURS_EVERY == 0 or state != before
                _compare(number, image, frame, witness, colours)
                turned = turned or witness.is_turned(frame)
            sums[number] = _checksum(image)
        before = state
        alive()
    if not sums:
        raise DecodeError("holds no frame that can be decoded")
    return sums, image.shape[:2], turned, number


def _compare(number, image, frame, witness, colours):
    if not same_frame(image, frame, witness, colours=colours):
        raise Disagreement(f"has other pixels in frame {number}")


def _is_compared(number):
    return number < ALL_COMPARED or number % EVERY < 2


def _seek_is_exact(capture, sums, number):
    """Whether seeking to a frame gives that frame and then the next one."""
    capture.set(cv2.CAP_PROP_POS_FRAMES, number)
    for wanted in (number, number + 1):
        if wanted in sums:
            decoded, image = capture.read()
            if not decoded or _checksum(image) != sums[wanted]:
                return False
    return True


def _points_are_exact(path, sums, count, points):
    """Whether frames are the same from the start of the file as from seek points."""
    probed = {min(n + 2, count - 1) for n, _ in points[:: len(points) // PROBES + 1]}
    for number in sorted(probed & sums.keys()):
        try:
            [image] = read_frames(path, [number], seek_points=points)
        except DecodeError:
            return False
        if _checksum(image) != sums[number]:
            return False
    return bool(points)


def _sizes(shape, turned, pixel_aspect):
    """The size of a decoded frame, and its size as shown with square pixels.

    Args:
        shape: (height, width) of a decoded frame.
        turned: whether it was turned by a quarter after it was decoded.
        pixel_aspect: width of a pixel, before that, in units of its height.
    """
    height, width = shape
    return {
        "height": max(round(height * pixel_aspect), 1) if turned else height,
        "width": width if turned else max(round(width * pixel_aspect), 1),
        "decoded_height": height,
        "decoded_width": width,
    }


def _checksum(image):
    return zlib.crc32(image[::8].tobytes())


def _letters(code):
    """A four-character code as printable text."""
    return _printable((code & 0xFFFFFFFF).to_bytes(4, "little").decode("latin-1"))


def _printable(text):
    return "".join(letter if letter.isprintable() else "?" for letter in text)
