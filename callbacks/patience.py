"""When a run ends before its last epoch, because it has stopped getting better."""

from configs.schema.data import HELD_OUT


def has_stopped_improving(history, epoch, patience):
    """Whether the epochs up to one have brought no better top-1 for a while.

    It is a function of the rows alone, so a run that was interrupted ends where one
    that was not does. Only validations on held-out videos count: ending by the test
    split would be fitting to it.

    Args:
        history: rows of history.jsonl; those after the epoch do not count.
        epoch: counted from 0.
        patience: epochs in a row without a better top-1 that are too many; 0: no
            number of them is.
    """
    rows = [
        row
        for row in history
        if row.get("validation") in HELD_OUT and row["epoch"] <= epoch
    ]
    if not patience or not rows:
        return False
    best = max(rows, key=lambda row: row["top1"])  # The earliest of equals.
    return epoch - best["epoch"] >= patience
