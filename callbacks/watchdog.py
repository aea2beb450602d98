"""Ends a run that no longer moves, with the stacks of all its threads."""

import faulthandler

from callbacks.steps import StepCallback


class Watchdog(StepCallback):
    """Expects a sign of progress every so often; without one the process exits.

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
        """A sign of progress."""
        if self.seconds:
            faulthandler.dump_traceback_later(self.seconds, exit=True)

    def __enter__(self):
        self.beat()
        return self

    def __exit__(self, *_):
        faulthandler.cancel_dump_traceback_later()

    def after_step(self, step, logs):
        self.beat()
