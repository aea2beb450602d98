"""A process of its own that decodes files, with limits on time and memory."""

import contextlib
import json
import os
import select
import subprocess
import sys

from data import decode

MEMORY = 4 << 30  # bytes of address space
# Reasons that a busy machine may give a good file.
SLOW, CRASH = "takes the decoder more than", "crashes the decoder"


class Worker:
    """Inspects files in a process that is started when needed and may die.

    Not safe for use by two threads at once.
    """

    def __init__(self, memory=MEMORY):
        """Args: bytes of address space the process may use."""
        self._memory = memory
        self._process = None
        self._closed = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def inspect(self, path, *, seconds):
        """What a file holds.

        Args:
            path: the file.
            seconds: after which the decoder counts as hanging.

        Returns:
            dict of `data.source.Video` fields; of a bad file only the reason.
        """
        # Something else may have killed the process; a second death is the file's.
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
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps([path, seconds]) + "\n")
            process.stdin.flush()
        poll = select.poll()
        poll.register(process.stdout, select.POLLIN)
        if not poll.poll(1000 * seconds):
            self._kill()
            return {"reason": f"{SLOW} {seconds:.0f} seconds"}
        reply = process.stdout.readline()
        if not reply:
            self._kill()
            return None
        return json.loads(reply)

    def _start(self):
        # By its path: as a module of this package it would import TensorFlow first.
        return subprocess.Popen(
            [sys.executable, decode.__file__, str(self._memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )
