"""Ends a run that no longer moves, with the stacks of all its threads."""

import contextlib
import datetime
import faulthandler
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from absl import logging

from callbacks.base import RunCallback

PROGRAM = Path(__file__).resolve().with_name("watchdog_process.py")
STANDARD_ERROR = 2


class Watchdog(RunCallback):
    """Ends the process unless it shows a sign of progress every so often.

    Another process counts, in ticks of a second that it was awake itself. It does not
    count those in which this process was stopped, so a run that was frozen, alone or
    with its machine, has as long as any other to move on. When the time is up, a
    thread of this process prints the stacks to standard error and ends it. A hang that
    holds the interpreter's lock lets no thread act: ten seconds later SIGALRM has a
    handler in C print the stacks and ends the process.

    Args:
        seconds: the longest wait for a sign; 0 waits for ever. The first step, which
            traces and compiles the model, has to fit in as well.
        grace: seconds until SIGALRM.
        exit_code: of the process that is ended.
    """

    def __init__(self, seconds, *, grace=10.0, exit_code=1):
        super().__init__(0)
        self.exit_code = exit_code
        self.seconds = seconds
        self.grace = grace
        self._process = None

    def beat(self):
        """Tells that the run has made progress: the count starts again."""
        if not self.seconds:
            return
        if self._process is None:
            self._start()
        # With a full pipe, the other process has enough to read.
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._process.stdin.fileno(), b".")

    def __enter__(self):
        self.beat()
        return self

    def __exit__(self, *_):
        process, self._process = self._process, None
        if process is not None:
            process.stdin.close()
            process.kill()  # It may be stopped, and then waits for nothing.
            process.wait()
            faulthandler.unregister(signal.SIGALRM)

    def after_step(self, step, logs):
        """A step is progress."""
        self.beat()

    def _start(self):
        faulthandler.register(signal.SIGALRM, file=STANDARD_ERROR, chain=True)
        arguments = map(str, (PROGRAM, os.getpid(), self.seconds, self.grace))
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # Ctrl-C is not for it.
        )
        os.set_blocking(self._process.stdin.fileno(), False)
        threading.Thread(target=self._listen, args=[self._process], daemon=True).start()

    def _listen(self, process):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # The main thread's.
        if process.stdout.read(1):
            waited = datetime.timedelta(seconds=self.seconds)
            text = f"No sign of progress for {waited}. The stacks of all threads:\n"
            with contextlib.suppress(OSError):
                os.write(STANDARD_ERROR, text.encode())
            faulthandler.dump_traceback(file=STANDARD_ERROR)
            os._exit(self.exit_code)
        if self._process is process:
            logging.warning("The watchdog's process has ended: nothing sees a stall.")
