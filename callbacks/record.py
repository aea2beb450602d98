"""Everything a run writes while it trains, and its continuation after a restart."""

import numpy as np

from callbacks.checkpoint import SaveCheckpoints
from callbacks.journal import Journal
from callbacks.lost import LostClips
from callbacks.numerics import NonFiniteGuard
from callbacks.progress import Progress
from callbacks.rows import Rows
from callbacks.summaries import Summaries
from configs.errors import CheckpointError


class Record:
    """The files of rows, the event files and the checkpoints of a run, kept in step.

    Args:
      config: `configs.schema.Checkpoints`.
      folder: the `RunFolder`.
      store: the run's `CheckpointStore`.
      calendar: the run's `Calendar`.
      check_clips: raises DataError when too many videos have gone bad, a function.

    Raises:
      CheckpointError: no checkpoint can be used, or none whose rows are all there.
      StorageError: the folder could not be read or written.

    Attributes:
      callbacks: for `fit`, in the order in which they must act.
    """

    def __init__(self, config, folder, store, calendar, check_clips):
        self.store = store
        self.calendar = calendar
        self.journal = Rows(folder / "journal.jsonl")
        self.timing = Rows(folder / "timing.jsonl")
        self.history = Rows(folder / "history.jsonl")
        # Rows and weights go on together: from the newest step that both reach.
        step = store.restore(objection=self._lost_rows)
        if step is None:
            step = self._begin()
        files = (self.journal, self.timing, self.history)
        journal, _, _ = (file.rewind(step) for file in files)
        self.saver = SaveCheckpoints(
            store,
            rows=files,
            history=self.history,
            step=step,
            save_every=config.save_every,
        )
        self.summaries = Summaries(
            folder / "tensorboard",
            step=step,
            journal=self.journal,
            history=self.history,
        )
        self._journal = Journal(self.journal, step=step, epoch_of=calendar.epoch_of)
        self.callbacks = [
            self._journal,
            self.summaries,
            Progress(step=step, calendar=calendar, timing=self.timing),
            NonFiniteGuard(
                limit=config.nonfinite_limit, rows=journal, step=step, store=store
            ),
            self.saver,
            LostClips(check_clips, saver=self.saver, step=step),
        ]

    def _begin(self):
        """Commits the initial weights: a run that has begun always has a checkpoint."""
        if self.journal.read():
            raise CheckpointError(
                f"{self.journal.path} says that this run has trained, but "
                f"{self.store.path} holds no checkpoint. Put one back, or begin again "
                "in another --workdir."
            )
        self.store.save(0)
        return 0

    def _lost_rows(self, step):
        """Which row is missing that a run continued from `step` must have, or None."""
        epochs = range(self.calendar.first_epoch(step))
        for rows, name, wanted in (
            (self.journal, "step", range(1, step + 1)),
            (self.history, "epoch", epochs),
        ):
            found = [row.get(name) for row in rows.upto(step)]
            # A row may stand behind those that must be there, but not a gap.
            end = wanted.start + max(len(found), len(wanted))
            lost = set(range(wanted.start, end)) - set(found)
            if lost:
                return f"{rows.path.name} holds no row of {name} {min(lost)}"
        return None

    @property
    def step(self):
        """Updates done."""
        return self._journal.step

    @property
    def unsaved(self):
        """Whether updates have been done that are in no checkpoint."""
        return self.step > self.saver.saved

    def has_epoch(self, epoch):
        """Whether the epoch's row is in history.jsonl."""
        return any(row["epoch"] == epoch for row in self.history.read())

    def add_epoch(self, epoch, validation):
        """Writes an epoch's row: means over its steps, and its validation.

        Args:
          epoch: counted from 0.
          validation: more entries of the row.
        """
        end = self.calendar.end(epoch)
        # An epoch shorter than a batch may end with the same step as the one before.
        begin = min(self.calendar.end(epoch - 1), end - 1) if epoch else 0
        steps = [row for row in self.journal.upto(end) if row["step"] > begin]
        row = {
            "epoch": epoch,
            "step": end,
            "loss": float(np.mean([row["loss"] for row in steps])),
            "accuracy": float(np.mean([row["accuracy"] for row in steps])),
            **validation,
        }
        self.history.append(row)
        self.summaries.after_epoch(row)
        return row
