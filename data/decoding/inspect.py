"""Decodes whole video files to find out what each really holds.

    python -m data.decoding.inspect MEMORY

answers requests on its standard input (see `serve`). `data.scan` starts it as a process
of its own, which a damaged file may crash. So it imports little and starts quickly.
"""

import json
import os
import resource
import signal
import sys
import zlib

import cv2
import numpy as np

from data.decoding.video import DecodeError, open_video

# A file that lost its end is used if at least this fraction of its frames is left.
MIN_KEPT_FRACTION = 0.75


def inspect_video(path, probes=6):
    """Decodes a whole file and tells what it really holds.

    Args:
        path: the file.
        probes: at how many frames a seek is compared with reading from the start.

    Returns:
        dict with the fields of `data.scan.video.Video`, without `reason`.

    Raises:
        DecodeError: a frame cannot be decoded, there is none, or the file is cut off.
    """
    capture = open_video(path)
    header_frames = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
    sums, shape = _read_through(capture)
    count = len(sums)
    if _is_cut_off(path, count, header_frames):
        raise DecodeError(f"is cut off: {count} of {header_frames} frames are left")
    # Where a seek is not exact, it mostly fails near the start, or everywhere.
    probed = {1, *((2 * i + 1) * count // (2 * probes) for i in range(probes))}
    return {
        "frames": count,
        "height": shape[0],
        "width": shape[1],
        "fps": float(np.nan_to_num(capture.get(cv2.CAP_PROP_FPS), posinf=0.0)),
        "codec": _letters(int(capture.get(cv2.CAP_PROP_FOURCC))),
        "header_frames": header_frames,
        "seek_exact": all(_seek_is_exact(capture, sums, n) for n in sorted(probed)),
    }


def _read_through(capture):
    """Checksums of all frames, and the shape that OpenCV brings all of them to."""
    sums, image = [], None
    while capture.grab():
        decoded, image = capture.retrieve(image)
        if not decoded:
            raise DecodeError(f"frame {len(sums)} cannot be decoded")
        sums.append(_checksum(image))
    if not sums:
        raise DecodeError("holds no frame that can be decoded")
    return sums, image.shape


def _seek_is_exact(capture, sums, number):
    """Whether seeking to a frame gives that frame and then the next one."""
    capture.set(cv2.CAP_PROP_POS_FRAMES, number)
    for expected in sums[number : number + 2]:
        decoded, image = capture.read()
        if not decoded or _checksum(image) != expected:
            return False
    return True


def _checksum(image):
    return zlib.crc32(image[::8].tobytes())


def _is_cut_off(path, count, header_frames):
    """Whether a file has lost its end, by what its container says about itself.

    Fewer frames than the header says do not prove it: AVI may leave out frames that
    repeat the last one, and containers other than AVI and MP4 only estimate the number.
    """
    with open(path, "rb") as file:
        start = file.read(12)
        size = file.seek(0, os.SEEK_END)
    short = count < MIN_KEPT_FRACTION * header_frames
    if start[:4] == b"RIFF":
        return short and int.from_bytes(start[4:8], "little") + 8 > size
    return short and start[4:8] == b"ftyp"


def _letters(code):
    """A four-character code as printable text."""
    letters = (code & 0xFFFFFFFF).to_bytes(4, "little").decode("latin-1")
    return "".join(letter if letter.isprintable() else "?" for letter in letters)


def serve(memory):
    """Inspects the files that standard input names, until it is closed.

    Each line of input is the JSON of [path, seconds]. The answer to each is one line of
    JSON on standard output: the dict of `inspect_video`, or {"reason": why the file is
    bad}. A file that takes longer than its seconds ends the process, even where nobody
    waits for the answer any more.

    Args:
        memory: bytes of address space; a file that needs more is bad.
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
