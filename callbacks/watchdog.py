"""Ends a run that no longer moves, with the stacks of all its threads."""

import faulthandler

from callbacks.base import RunCallback


class Watchdog(RunCallback):
    """Ends the process unless it shows a sign of progress every so often.

    The clock runs in a thread of the C library, which needs neither the interpreter nor
    its lock: a hang in a collective, a decoder or a file system is seen as well. The
    stacks go to standard error, the exit code is 1.

    Args:
        seconds: the longest wait for a sign; 0 waits for ever. The first step, which
            traces and compiles the model, has to fit in as well.
    """

    def __init__(self, seconds):
        super().__init__(0)
        self.seconds = seconds

    def beat(self):
        """Tells that the run has made progress: the clock starts again."""
        if self.seconds:
            faulthandler.dump_traceback_later(self.seconds, exit=True)

    def __enter__(self):
        self.beat()
        return self

    def __exit__(self, *_):
        faulthandler.cancel_dump_traceback_later()

    def after_step(self, step, logs):
        """A step is progress."""
        self.beat()
