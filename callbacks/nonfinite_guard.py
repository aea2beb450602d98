"""Ends a run in which too many updates in a row are not finite."""

import math

from absl import logging

from callbacks.base import RunCallback
from configs.command.errors import NumericsError


class NonFiniteGuard(RunCallback):
    """Counts the updates in a row that were skipped for a loss or gradient not finite.

    The optimizer that `Classifier.compile` makes has skipped those updates on all
    replicas. A few are an accident, or loss scaling at work; `limit` in a row end the
    run.

    Args:
        limit: how many in a row end the run.
        rows: the journal's rows up to `step`; the count goes on where they ended.
        step: updates done so far.
        store: where the last good checkpoint lies, for the message.
    """

    def __init__(self, *, limit, rows, step, store):
        super().__init__(step)
        self.limit = limit
        self.store = store
        self.in_a_row = 0
        for row in rows:
            self._count(row)

    def after_step(self, step, logs):
        """Counts the step; ends the run at the limit."""
        if not self._count(logs):
            return
        logging.warning(
            "Step %d: loss %s, gradient norm %s; the update was skipped.",
            step,
            logs["loss"],
            logs["gradient_norm"],
        )
        if self.in_a_row >= self.limit:
            good = self.store.folder(self.store.steps()[0])
            raise NumericsError(
                f"{self.in_a_row} updates in a row were not finite, up to step {step}. "
                f"The last good checkpoint is {good}. Lower "
                "optimizer.learning_rate, set optimizer.clip_norm, or use "
                "runtime.precision=mixed_bfloat16 in place of mixed_float16."
            )

    def _count(self, row):
        finite = math.isfinite(row["loss"]) and math.isfinite(row["gradient_norm"])
        self.in_a_row = 0 if finite else self.in_a_row + 1
        return not finite
