"""The part of a run's record on a worker that writes nothing."""

from callbacks.base import Recorder, RunCallback
from callbacks.record import BEGIN, SAVED
from storage.checkpoints import CheckpointStore


class Follower(Recorder, RunCallback):
    """What a worker other than the chief keeps of a run while it trains.

    It writes nothing: the chief tells it what it must know, and saves for all. Creating
    it restores the checkpoint that the chief goes on from.

    Args:
        config: `configs.schema.Checkpoints`.
        folder: the `RunFolder`.
        model: the compiled `Classifier`.
        watchdog: the running `Watchdog`.
        preemption: the installed `Preemption`.
        share: a function of a name and a value that returns the chief's value.

    Raises:
        CheckpointError: the checkpoint is not there, or cannot be used.

    Attributes:
        callbacks: for `fit`.
        saved: the step that the chief was last due to save.
    """

    def __init__(self, config, folder, model, *, watchdog, preemption, share):
        self.store = CheckpointStore(
            folder / "checkpoints", model, run_id=folder.identity["run_id"]
        )
        super().__init__(self.store.restore_weights(share(BEGIN, None)))
        self.save_every = config.save_every
        self.watchdog, self.preemption, self.share = watchdog, preemption, share
        self.saved = self.step
        self.callbacks = [self, watchdog, preemption]
        preemption.begin(self)
        self.check_in()

    def after_step(self, step, logs):
        """Notes a step that the chief saves."""
        if step % self.save_every == 0:
            self.saved = step

    def save(self):
        """Waits until the chief has saved the last step."""
        self.share(SAVED, None)
        self.saved = self.step

    def end_epoch(self, epoch, validate):
        """Takes its part in a validation, where the chief says that there is one.

        Args:
            epoch: counted from 0.
            validate: a function that validates the model.

        Returns:
            Whether the run ends here; the chief says so.
        """
        self.saved = self.step
        self.check_in()
        if not self.share(f"epoch {epoch} is validated", None):
            validate()
        return self.share(f"epoch {epoch} is the last", None)
