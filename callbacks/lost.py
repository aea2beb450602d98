"""Ends a run whose videos keep going bad under it, with a checkpoint."""

from callbacks.steps import StepCallback
from configs.errors import DataError


class LostClips(StepCallback):
    """Looks after each step whether too many videos can no longer be read.

    Args:
      check: raises DataError when they are too many, a function.
      saver: the run's `SaveCheckpoints`.
      step: updates done so far.
    """

    def __init__(self, check, *, saver, step):
        super().__init__(step)
        self.check = check
        self.saver = saver

    def after_step(self, step, logs):
        try:
            self.check()
        except DataError:
            self.saver.save(step, required=True)
            raise
