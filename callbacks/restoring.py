"""The step at which a run goes on: its newest whole checkpoint and all of its rows."""

import itertools

from configs.command.errors import CheckpointError


def restore_newest(store, journal, history, calendar, *, set_aside=True):
    """Restores the newest checkpoint for which all rows of the log exist.

    Args:
        store: the `CheckpointStore` of the run.
        journal: `Rows` of journal.jsonl.
        history: `Rows` of history.jsonl.
        calendar: the run's `Calendar`.
        set_aside: see `CheckpointStore.restore`.

    Returns:
        Its step; None where the run has not trained yet.

    Raises:
        CheckpointError: no checkpoint can be used, or none is there of a run that has
            trained.
        StorageError: the folder could not be read or written.
    """

    def lost_row(step):
        """Which row is missing that a run continued from `step` must have, or None."""
        for rows, name, first, wanted in (
            (journal, "step", 1, step),
            (history, "epoch", 0, calendar.first_epoch(step)),
        ):
            numbers = [row.get(name) for row in rows.upto(step)]
            found = set(numbers)
            # A row may stand behind those that must be there, but not a gap. They are
            # not listed: the name of a checkpoint may tell any number of steps.
            missing = next(n for n in itertools.count(first) if n not in found)
            if missing < first + max(len(numbers), wanted):
                return f"{rows.path.name} holds no row of {name} {missing}"
        return None

    step = store.restore(objection=lost_row, set_aside=set_aside)
    if step is None and journal.read():
        raise CheckpointError(
            f"{journal.path} says that this run has trained, but {store.path} holds no "
            "checkpoint. Put one back, or begin again in another --workdir."
        )
    return step
