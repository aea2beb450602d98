"""A process that decodes files for this one, with limits on time and memory."""

import contextlib
import json
import os
import select
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "data.decoding.inspect")
MEMORY = 4 << 30  # bytes of address space
# Reasons for which a busy machine may call a good file bad.
SLOW, CRASH = "takes the decoder more than", "crashes the decoder"


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
            seconds: time after which the decoder counts as hanging.

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
        with contextlib.suppress(BrokenPipeError):
            # The process runs in another directory.
            process.stdin.write(json.dumps([os.path.abspath(path), seconds]) + "\n")
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
        return subprocess.Popen(
            [*COMMAND, str(self._memory)],
            cwd=REPOSITORY,  # in which Python finds the module
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )
