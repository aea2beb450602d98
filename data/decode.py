"""Video files to planar `uint8` clips and back; the only file that imports cv2.

It imports nothing of ours, so that `data.scan` can also run it as a process of its own.
"""

import json
import os
import resource
import signal
import sys
import zlib

# FFmpeg would write a line for every damaged macroblock; only fatal errors remain.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "8")

import cv2
import numpy as np

# Threads decode whole clips side by side; threads inside OpenCV and FFmpeg would only
# compete with them, and starting FFmpeg's own costs more than opening a small file.
cv2.setNumThreads(0)
ONE_THREAD = (cv2.CAP_PROP_N_THREADS, 1)

# A file that lost its end is still used if at least this share of its frames is left.
KEPT_SHARE = 0.75


class DecodeError(Exception):
    """A file does not hold the frames that were asked for."""


def open_video(path):
    """Opens a video file with FFmpeg.

    Raises:
        DecodeError: FFmpeg finds no video in the file.
    """
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, ONE_THREAD)
    if not capture.isOpened():
        raise DecodeError("holds no video that can be opened")
    return capture


def read_clip(path, *, frames, regions, size, flip=False, seek=True, shape=None, out):
    """Decodes the chosen frames of one file and writes the chosen regions into `out`.

    One pass: seek to the first frame, `grab` what lies in between, `retrieve` what is
    wanted, then one resize from the region straight to the clip's size.

    Args:
        path: the file.
        frames: int [T], frame numbers from 0, in any order, repeats allowed.
        regions: list of (top, left, height, width) in pixels of the decoded frame.
        size: height and width of the result in pixels.
        flip: whether to mirror left and right.
        seek: False decodes from the first frame on, for a file whose seek is not exact.
        shape: (height, width) that every decoded frame must have; None accepts any.
        out: uint8 [regions, T, 3, size, size], filled in place: RGB planes, 0–255.

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
            held, image = capture.retrieve(image)
            _check(image if held else None, number, shape)
            _cut(image, regions, flip, scratch, out[:, slot])
    finally:
        capture.release()
    _repeat(out, frames, wanted, first)


def read_pictures(pictures, *, frames, regions, size, flip, shape, out):
    """Like `read_clip`, from the frames of a video as separate coded pictures.

    Args:
        pictures: bytes of each frame, in a format that OpenCV knows.
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
    """uint8 [height, width, 3] in OpenCV's order blue, green, red; None if damaged."""
    data = np.frombuffer(picture, np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None


def _check(image, number, shape):
    """Raises DecodeError unless a frame was decoded with the shape it must have."""
    if image is None or shape not in (None, image.shape[:2]):
        raise DecodeError(f"frame {number} cannot be decoded as expected")


def _cut(image, regions, flip, scratch, out):
    """Writes regions of an image, scaled, to out [regions, 3, size, size].

    Args:
        scratch: uint8 [size, size, 3], overwritten.
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


def inspect_video(path, probes=6):
    """Decodes a whole file and tells what it really holds.

    Args:
        path: the file.
        probes: at how many places a seek is compared with reading from the start.

    Returns:
        dict with the fields of `data.source.Video`, `reason` left out.

    Raises:
        DecodeError: a frame cannot be decoded, there is none, or the file is cut off.
    """
    capture = open_video(path)
    promised = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
    sums, shape = _read_through(capture)
    count = len(sums)
    if _is_cut_off(path, count, promised):
        raise DecodeError(f"is cut off: {count} of {promised} frames are left")
    # Where a seek is not exact, it mostly fails near the start, or everywhere.
    places = {1, *((2 * i + 1) * count // (2 * probes) for i in range(probes))}
    return {
        "frames": count,
        "height": shape[0],
        "width": shape[1],
        "rate": float(np.nan_to_num(capture.get(cv2.CAP_PROP_FPS), posinf=0.0)),
        "codec": _letters(int(capture.get(cv2.CAP_PROP_FOURCC))),
        "promised": promised,
        "exact": all(_seek_is_exact(capture, sums, place) for place in sorted(places)),
    }


def _read_through(capture):
    """Checksums of all frames, and the shape that OpenCV brings all of them to."""
    sums, image = [], None
    while capture.grab():
        held, image = capture.retrieve(image)
        if not held:
            raise DecodeError(f"frame {len(sums)} cannot be decoded")
        sums.append(_checksum(image))
    if not sums:
        raise DecodeError("holds no frame that can be decoded")
    return sums, image.shape


def _seek_is_exact(capture, sums, place):
    """Whether seeking to a frame gives it and then the next one."""
    capture.set(cv2.CAP_PROP_POS_FRAMES, place)
    for expected in sums[place : place + 2]:
        held, image = capture.read()
        if not held or _checksum(image) != expected:
            return False
    return True


def _checksum(image):
    return zlib.crc32(image[::8].tobytes())


def _is_cut_off(path, count, promised):
    """Whether a file has lost its end, by what its container says about itself.

    Fewer frames than promised are not enough: AVI may leave out frames that repeat the
    last one, and containers other than AVI and MP4 only estimate their number.
    """
    with open(path, "rb") as file:
        start = file.read(12)
        size = file.seek(0, os.SEEK_END)
    short = count < KEPT_SHARE * promised
    if start[:4] == b"RIFF":
        return short and int.from_bytes(start[4:8], "little") + 8 > size
    return short and start[4:8] == b"ftyp"


def _letters(code):
    """A four-character code as printable text."""
    letters = (code & 0xFFFFFFFF).to_bytes(4, "little").decode("latin-1")
    return "".join(letter if letter.isprintable() else "?" for letter in letters)


def write_video(path, frames, *, rate=25.0, codec="MJPG"):
    """Writes uint8 [T, height, width, 3] RGB frames as an AVI file.

    MJPG codes every frame on its own, so that a frame's compression says nothing about
    its neighbours.
    """
    height, width = frames.shape[1:3]
    writer = cv2.VideoWriter(
        str(path),
        cv2.CAP_FFMPEG,
        cv2.VideoWriter_fourcc(*codec),
        rate,
        (width, height),
    )
    if not writer.isOpened():
        raise OSError(f"{path} cannot be written as {codec}.")
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()


def serve(memory):
    """Answers [path, seconds] from standard input, one JSON line each, with facts.

    Or with a reason why the file is bad. A file that takes longer than the seconds ends
    the process, also where nobody waits for the answer any more.

    Args:
        memory: bytes of address space after which a file is given up.
    """
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries may print
    for line in sys.stdin:
        path, seconds = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, seconds + 1)
        try:
            reply = inspect_video(path)
        except DecodeError as error:
            reply = {"reason": str(error)}
        except (MemoryError, cv2.error) as error:
            reply = {"reason": f"cannot be decoded: {error}".strip()}
        signal.setitimer(signal.ITIMER_REAL, 0)
        replies.write(json.dumps(reply) + "\n")


if __name__ == "__main__":
    serve(int(sys.argv[1]))
