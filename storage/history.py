"""history.jsonl: a row an epoch, and which checkpoint is the best by it."""

import dataclasses
import math
from typing import Literal

from configs.schema.data import HELD_OUT
from storage.records import Count, Fraction
from storage.rows import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Epoch(Row):
    """A row of history.jsonl: means over an epoch's steps, then its validation."""

    epoch: Count
    loss: float
    accuracy: float
    validation: Literal["test", "split", "groups", "none"] = "none"
    validation_loss: float = math.nan
    top1: Fraction = math.nan
    top5: Fraction = math.nan

    def __post_init__(self):
        """Raises ValueError where a validation did not measure what decides on it."""
        if self.validation != "none" and math.isnan(self.top1):
            raise ValueError(f"validation={self.validation} must come with a top1")


def best_step(history, kept):
    """The step of the epoch with the highest top-1 on videos that are held out.

    Epochs validated on the test split do not count: choosing among them would be
    fitting to it.

    Args:
        history: rows of history.jsonl.
        kept: steps that have a checkpoint; a full disk may have cost an epoch its own.

    Returns:
        The step, the earliest of equals, or None.
    """
    rows = [
        row
        for row in history
        if row.get("validation") in HELD_OUT and row["step"] in kept
    ]
    return max(rows, key=lambda row: row["top1"])["step"] if rows else None
