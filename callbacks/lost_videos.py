"""Saves and ends a run when too many of its videos have become unreadable."""

from callbacks.base import RunCallback
from configs.command.errors import DataError

# What a worker tells the others: how many videos it can no longer read.
LOST = "lost"


class LostVideos(RunCallback):
    """Ends the run after a step by which too many videos can no longer be read.

    Args:
        check: raises DataError when they are too many, a function of how many all
            workers together have lost, None where there is one.
        saver: the run's `SaveCheckpoints`.
        step: updates done so far.
    """

    def __init__(self, check, *, saver, step):
        super().__init__(step)
        self.check = check
        self.saver = saver

    def after_step(self, step, logs):
        """Saves and ends the run if too many videos are lost."""
        try:
            self.check(logs.get(LOST))
        except DataError:
            self.saver.save(step, required=True)
            raise
