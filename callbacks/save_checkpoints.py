"""When a run is saved, and what happens when it cannot be."""

from absl import logging

from callbacks.base import RunCallback
from configs.command.errors import StorageError
from storage.history import best_step


class SaveCheckpoints(RunCallback):
    """Saves a checkpoint every so many steps.

    Where saving fails, for instance on a full disk, training continues and the next
    save tries again.

    Args:
        store: the `CheckpointStore`.
        rows: files of rows (journal, history, …) and what is made of them, written to
            the disk before each checkpoint, so that none is ahead of them.
        history: the rows of epochs, to protect the best one's checkpoint.
        step: updates done so far.
        save_every: steps between checkpoints.
        lasting: steps whose checkpoints are never deleted.

    Attributes:
        saved: the step of the newest checkpoint.
    """

    def __init__(self, store, *, rows, history, step, save_every, lasting=()):
        super().__init__(step)
        self.store = store
        self.rows = rows
        self.history = history
        self.save_every = save_every
        self.lasting = frozenset(lasting)
        self.saved = step

    def after_step(self, step, logs):
        """Saves if the step is due."""
        if step % self.save_every == 0:
            self.save(step)

    def save(self, step, required=False):
        """Saves a checkpoint now.

        Args:
            step: updates done so far.
            required: whether failing ends the run.

        Raises:
            StorageError: it failed and was required.
            NumericsError: a weight is not finite.
        """
        try:
            for rows in self.rows:
                rows.sync()
            kept = {step, *self.store.steps()}
            best = best_step(self.history.read(), kept)
            self.store.save(step, protect=self.lasting | {best})
            self.saved = step
        except StorageError as error:
            if required:
                raise
            logging.error("%s Training goes on; the next save tries again.", error)
