"""A process that decodes files for this one, with limits on time and memory."""

import contextlib
import json
import os
import select
import subprocess
import sys
from pathlib import Path

from data.decoding.opencv import utf8_name

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "data.decoding.inspect")
MEMORY = 4 << 30  # bytes of address space
# Reasons for which a busy machine may call a good file bad.
SLOW, CRASH = "gives the decoder no frame in", "crashes the decoder"


class DecoderProcess:
    """Inspects files in a process that is started when needed and may die.

    Only one thread at a time may use it.
    """

    def __init__(self, memory=MEMORY):
        """Starts nothing yet.

        Args:
            memory: bytes of address space that the process may use.
        """
        self._memory = memory
        self._process = None
        self._closed = False

    def __enter__(self):
        """Gives itself; the end of the `with` block ends the process."""
        return self

    def __exit__(self, *_):
        """Ends the process."""
        self.close()

    def inspect(self, path, *, seconds):
        """Finds out what a file holds.

        Args:
            path: the file.
            seconds: time without a new frame after which the decoder counts as hanging.

        Returns:
            dict of fields of `data.scan.video.Video`; of a bad file only the reason.
        """
        # Something other than the file may have killed the process, so the file gets a
        # second attempt.
        for _ in range(2):
            reply = self._ask(path, seconds)
            if reply is not None or self._closed:
                break
        return reply or {"reason": CRASH}

    def close(self):
        """Ends the process for good, whatever it is doing."""
        self._closed = True
        self._kill()

    def _kill(self):
        if self._process:
            self._process.kill()
            with contextlib.suppress(BrokenPipeError):
                self._process.communicate()
            self._process = None

    def _ask(self, path, seconds):
        """The reply of the process; None if it died."""
        process = self._process = self._process or self._start()
        # The process runs in another directory.
        request = json.dumps([utf8_name(path), seconds]) + "\n"
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(request.encode())
            process.stdin.flush()
        reply = {}
        while not reply:  # An empty one is a sign of life.
            try:
                reply = json.loads(self._line(process, seconds))
            except TimeoutError:
                self._kill()
                return {"reason": f"{SLOW} {seconds:.0f} seconds"}
            except EOFError:
                self._kill()
                return None
        return reply

    def _line(self, process, seconds):
        """The next line that the process writes.

        Raises:
            TimeoutError: it wrote nothing for so many seconds.
            EOFError: it ended.
        """
        poll = select.poll()
        poll.register(process.stdout, select.POLLIN)
        while b"\n" not in self._unread:
            if not poll.poll(1000 * seconds):
                raise TimeoutError
            # Not through a file object, in whose memory a line could lie unseen.
            part = os.read(process.stdout.fileno(), 1 << 16)
            if not part:
                raise EOFError
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _start(self):
        self._unread = b""  # what the process has written after its last whole line
        return subprocess.Popen(
            [*COMMAND, str(self._memory)],
            cwd=REPOSITORY,  # in which Python finds the module
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # In UTF-8, so that a verdict does not depend on the locale.
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONUTF8": "1"},
        )
