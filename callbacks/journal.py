"""journal.jsonl: one row for each step of the run, the same however often it restarted.

A row holds `step` (the first is 1), `epoch` (from 0, that of the batch's first clip),
`loss` and `accuracy` over the global batch of that step alone, `learning_rate`,
`gradient_norm` before clipping, `loss_scale`, `weight` (clips that counted),
`examples`, a hash of the indices of the batch's videos in order, and in every hundredth
row how far the update moved the weights (see `callbacks.update_ratios`). Wall-clock
times are in timing.jsonl, so that the journals of two equal runs are equal byte for
byte.
"""

import dataclasses
import hashlib

import numpy as np

from callbacks.base import RunCallback
from callbacks.update_ratios import RATIOS
from storage.records import Count
from storage.rows import Row

FLOATS = ("loss", "accuracy", "learning_rate", "gradient_norm", "loss_scale", "weight")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step(Row):
    """A row of the journal, as far as it is read again; an older one holds less."""

    loss: float
    accuracy: float
    gradient_norm: float
    epoch: Count = 0
    learning_rate: float = 0.0
    loss_scale: float = 1.0
    weight: float = 0.0
    examples: str = ""
    backbone_update_ratio: float = 0.0
    head_update_ratio: float = 0.0


class Journal(RunCallback):
    """Writes a row of the journal after each step.

    Args:
        rows: a `storage.rows.Rows`, rewound to `step`.
        step: updates done so far.
        epoch_of: the epoch of the first clip of update number n, a function.
    """

    def __init__(self, rows, *, step, epoch_of):
        super().__init__(step)
        self.rows = rows
        self.epoch_of = epoch_of

    def after_step(self, step, logs):
        """Writes the row of the step."""
        names = [*FLOATS, *(name for name in RATIOS if name in logs)]
        video = np.asarray(logs["video"], dtype="<i8")
        self.rows.append(
            {
                "step": step,
                "epoch": self.epoch_of(step),
                **{name: float(logs[name]) for name in names},
                "examples": hashlib.sha256(video.tobytes()).hexdigest()[:16],
            }
        )
