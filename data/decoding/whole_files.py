"""Decodes whole files, by OpenCV beside PyAV or by one of them, to tell what they hold.

The result of each function is a dict with the fields of `data.scan.video.Video`.
"""

import dataclasses
import itertools
import math
import zlib

import cv2

from data.decoding.errors import DecodeError
from data.decoding.opencv import open_video
from data.decoding.pyav import AvVideo, read_frames
from data.decoding.time_stamps import even_step, is_beat
from data.decoding.witnesses import Witness

PROBES = 3  # places at which a seek is compared with reading from the start
# Colours are compared every so many frames, brightness at all that are compared.
COLOURS_EVERY = 64
# From here on two frames of eight are compared, and those at which something changes:
# getting at pixels costs as much as decoding, and a recording may last for hours.
ALL_COMPARED, EVERY = 64, 8
# A seek decodes from the key frame before. Where those are further apart than so many
# frames, it is hardly quicker than reading from the start.
FARTHEST_KEY_FRAME = 3000


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
    with AvVideo(path) as video:
        return _by_opencv(path, Witness(video), alive)


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
    sums, stamps, shape, turned = {}, [], None, False
    with AvVideo(path) as video:
        for number, frame in enumerate(video):
            stamps.append(frame.pts)
            if _is_compared(number):
                image = video.image(frame)
                sums[number] = _checksum(image)
                shape, turned = image.shape[:2], video.is_turned(frame)
            alive()
        if not sums:
            raise DecodeError("holds no frame that can be decoded")
        place = {"shape": shape, "first_stamp": 0, "stamp_step": 0.0}
        if None not in stamps and stamps == sorted(stamps):
            place |= {"first_stamp": stamps[0], "stamp_step": even_step(stamps)}
        if not _finds_frames(path, sums, place, alive):
            place["stamp_step"] = 0.0
        return {
            "decoder": "pyav",
            "frames": len(stamps),
            **_sizes(shape, turned, video.pixel_aspect),
            "fps": video.fps,
            "codec": _printable(video.codec),
            "header_frames": video.header_frames,
            "seek_exact": place["stamp_step"] > 0,
            "first_stamp": place["first_stamp"],
            "stamp_step": place["stamp_step"],
        }


def _by_opencv(path, witness, alive):
    capture = open_video(path)
    header_frames = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
    fps = capture.get(cv2.CAP_PROP_FPS)
    fps = fps if math.isfinite(fps) else 0.0
    through = _read_through(capture, witness, alive)
    turned, aspect = (witness.turned, witness.aspect) if witness else (False, 1.0)
    return {
        "decoder": "opencv",
        "frames": through.frames,
        **_sizes(through.shape, turned, aspect),
        "fps": fps,
        "codec": _letters(int(capture.get(cv2.CAP_PROP_FOURCC))),
        "header_frames": header_frames,
        "seek_exact": through.may_seek(fps) and _seeks(capture, through, alive),
    }


@dataclasses.dataclass
class Through:
    """What reading a file from its start to its end has shown.

    Attributes:
        sums: number -> checksum of the frames that were looked at.
        times: of the frames, in seconds, in the order in which they came; None where
            one has none.
        key_frames: numbers of frames from which decoding can begin.
        shape: (height, width) of a frame.
        frames: how many there are.
    """

    sums: dict = dataclasses.field(default_factory=dict)
    times: list = dataclasses.field(default_factory=list)
    key_frames: list = dataclasses.field(default_factory=lambda: [0])
    shape: tuple = ()
    frames: int = 0

    def note(self, frame):
        """Counts the next frame, and notes what PyAV says of it if anything."""
        if frame is not None:
            self.times.append(frame.time)
            if frame.key_frame:
                self.key_frames.append(self.frames)
        self.frames += 1

    def may_seek(self, fps):
        """Whether frame n is found by its time, n / fps after the first frame.

        OpenCV seeks so. Where PyAV says nothing of times, only trying can tell.
        """
        ends = [*self.key_frames, self.frames]
        if max(b - a for a, b in itertools.pairwise(ends)) > FARTHEST_KEY_FRAME:
            return False
        if not fps or None in self.times or len(self.times) < 2:
            return True
        # AVI files with B-frames have the right times in another order.
        return is_beat(sorted(self.times), 1 / fps)


def _read_through(capture, witness, alive):
    """Reads all frames, and hears the witness on them if there is one."""
    frames = iter(witness.video) if witness else itertools.repeat(None)
    through, image = Through(), None
    while True:
        grabbed, frame, number = capture.grab(), next(frames, None), through.frames
        if witness and grabbed != (frame is not None):
            verb = "ends" if frame else "goes on"
            raise Disagreement(f"{verb} after {number} frames")
        if not grabbed:
            break
        changes = witness and witness.changes(frame)
        if _is_compared(number) or changes:
            decoded, image = capture.retrieve(image)
            if not decoded:
                raise DecodeError(f"has a frame {number} that cannot be decoded")
            through.sums[number] = checksum = _checksum(image)
            if witness:
                colours = changes or number % COLOURS_EVERY == 0
                _hear(witness, number, image, checksum, frame, colours=colours)
        through.note(frame)
        alive()
    if not through.sums:
        raise DecodeError("holds no frame that can be decoded")
    through.shape = image.shape[:2]
    return through


def _hear(witness, *about, colours):
    objection = witness.objection(*about, colours=colours)
    if objection:
        raise Disagreement(objection)


def _is_compared(number):
    return number < ALL_COMPARED or number % EVERY < 2


def _probed(frames):
    """Numbers of frames at which seeks are tried: most faults show near the start."""
    probed = {1, frames - 1}
    probed |= {(2 * i + 1) * frames // (2 * PROBES) for i in range(PROBES)}
    return sorted({n if n < ALL_COMPARED else n - n % EVERY for n in probed})


def _seeks(capture, through, alive):
    """Whether OpenCV's seeks give the right frame and then the next one."""
    for number in _probed(through.frames):
        alive()
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        for wanted in (number, number + 1):
            if wanted in through.sums:
                decoded, image = capture.read()
                if not decoded or _checksum(image) != through.sums[wanted]:
                    return False
    return True


def _finds_frames(path, sums, place, alive):
    """Whether PyAV's seeks give the frames that reading from the start gives.

    Args:
        path: the file.
        sums: number -> checksum of frames that were read from the start.
        place: what `read_frames` needs to know to seek.
        alive: called before each seek.
    """
    for number in _probed(max(sums) + 1):
        alive()
        numbers = sorted({number, number + 1} & sums.keys())
        images = read_frames(path, numbers, **place) if numbers else ()
        for wanted, image in zip(numbers, images, strict=True):
            if _checksum(image) != sums[wanted]:
                return False
    return True


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
