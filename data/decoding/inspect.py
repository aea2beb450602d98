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
import time

import av
import cv2

from data.decoding.errors import DecodeError, NotAVideo
from data.decoding.truncation import is_cut_off
from data.decoding.whole_files import Disagreement, by_both, by_opencv, by_pyav

SIGN_EVERY = 1.0  # second
BAD_FILE = (MemoryError, av.FFmpegError, cv2.error)


def inspect_video(path, *, alive=lambda: None):
    """Decodes a whole file and tells what it really holds.

    Where OpenCV and PyAV decode the same, OpenCV is to read the file, which is faster.
    Where they differ, PyAV is believed. Where PyAV decodes nothing, OpenCV's frames are
    all there is.

    Args:
        path: the file.
        alive: called after each frame.

    Returns:
        dict with the fields of `data.scan.video.Video`, without `reason`.

    Raises:
        DecodeError: neither can decode it, or it is cut off.
    """
    try:
        facts = by_both(path, alive=alive)
    except NotAVideo:
        raise
    except (Disagreement, DecodeError) as difference:
        try:
            note = f"read by PyAV, which takes longer: by OpenCV it {difference}"
            facts = by_pyav(path, alive=alive) | {"note": note}
        except DecodeError as error:
            note = f"read by OpenCV, which nothing confirms: by PyAV it {error}"
            facts = by_opencv(path, alive=alive) | {"note": note}
    count, header_frames = facts["frames"], facts["header_frames"]
    if is_cut_off(path, count, header_frames):
        raise DecodeError(f"is cut off: {count} of {header_frames} frames are left")
    return facts


def serve(memory):
    """Inspects the files that standard input names, until it is closed.

    Each line of input is the JSON of [path, seconds]. The answer to each is one line of
    JSON on standard output: the dict of `inspect_video`, or {"reason": why the file is
    bad}. Before it come lines {}, one a second while frames are decoded. A file that
    gives no frame for its seconds ends the process, even where nobody waits for the
    answer any more.

    Args:
        memory: bytes of address space; a file that needs more is bad.
    """
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries may print
    for line in sys.stdin:
        path, seconds = json.loads(line)
        alive = Signs(replies, seconds + 1)
        try:
            reply = inspect_video(path, alive=alive)
        except DecodeError as error:
            reply = {"reason": str(error)}
        except BAD_FILE as error:
            reply = {"reason": f"cannot be decoded: {error}".strip()}
        signal.setitimer(signal.ITIMER_REAL, 0)
        replies.write(json.dumps(reply) + "\n")


class Signs:
    """Tells the process that waits that the decoder is at work; called at each frame.

    However long a recording is, the work goes on as long as frames come.
    """

    def __init__(self, replies, seconds):
        """Begins to wait for the first frame.

        Args:
            replies: the file that signs are written to.
            seconds: without a sign for so long, the process ends.
        """
        self._replies, self._seconds = replies, seconds
        self._next = 0.0
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def __call__(self):
        """Gives a sign unless the last one was less than a second ago."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + SIGN_EVERY
            signal.setitimer(signal.ITIMER_REAL, self._seconds)
            self._replies.write("{}\n")


if __name__ == "__main__":
    serve(int(sys.argv[1]))
