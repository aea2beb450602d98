"""SIGTERM and Ctrl-C: save at the next step, then exit with a code that says so."""

import os
import signal

from absl import logging

from callbacks.steps import StepCallback
from configs.errors import RetryError


class Interrupted(RetryError):
    """Stopped by the user (Ctrl-C)."""

    exit_code = 130


class Preemption(StepCallback):
    """Turns the first SIGTERM or SIGINT into an orderly end; a second one kills.

    Until `begin` there is nothing to save and a signal ends the process at once, in
    order. From then on it is looked at after every step and wherever `poll` is called.
    """

    def __init__(self):
        super().__init__(0)
        self.saver = None
        self.signal = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._receive)

    def begin(self, step, saver):
        """From now on the run has something to save.

        Args:
          step: updates done so far.
          saver: the run's `SaveCheckpoints`.
        """
        self.step = step
        self.saver = saver

    def after_step(self, step, logs):
        if self.signal is not None:
            self.saver.save(step, required=True)
        self.poll()

    def poll(self):
        """Ends the run if a signal has come.

        Raises:
          RetryError: after SIGTERM; Interrupted: after Ctrl-C.
        """
        if self.signal is None:
            return
        error = Interrupted if self.signal == signal.SIGINT else RetryError
        raise error(
            f"Stopped by {signal.Signals(self.signal).name} after step {self.step}; "
            "the same command goes on from there."
        )

    def _receive(self, number, frame):
        signal.signal(number, signal.SIG_DFL)
        self.signal = number
        if self.saver is None:
            self.poll()
        logging.warning(
            "%s: stopping after this step; again to stop at once (process %d).",
            signal.Signals(number).name,
            os.getpid(),
        )
