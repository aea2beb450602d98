"""The part of a run's record on a worker that writes nothing."""

from callbacks.base import RunCallback
from callbacks.record import BEGIN, SAVED
from storage.checkpoints import CheckpointStore


class Follower:
    """What a worker other than the chief keeps of a run while it trains.

    It writes nothing: the chief tells it what it must know, and saves for all. It has
    the face of `Record` that training needs. Creating it restores the checkpoint that
    the chief goes on from.

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
        self.config = config
        self.store = CheckpointStore(
            folder / "checkpoints", model, run_id=folder.identity["run_id"]
        )
        step = self.store.restore_weights(share(BEGIN, None))
        self.watchdog = watchdog
        self.preemption = preemption
        self.share = share
        self.saved = step
        self._steps = _Steps(step, self)
        self.callbacks = [self._steps, watchdog, preemption]
        preemption.begin(self)
        self.alive()

    @property
    def step(self):
        """Updates done."""
        return self._steps.step

    @property
    def unsaved(self):
        """Whether updates have been done that the chief may not have saved yet."""
        return self.step > self.saved

    def save(self):
        """Waits until the chief has saved the last step."""
        self.share(SAVED, None)
        self.saved = self.step

    def alive(self):
        """Tells the watchdog that the run moves, and ends it if a signal has come."""
        self.watchdog.beat()
        self.preemption.poll()

    def end_epoch(self, epoch, validate):
        """Takes its part in a validation, where the chief says that there is one.

        Args:
            epoch: counted from 0.
            validate: a function that validates the model.
        """
        self.saved = self.step
        self.alive()
        if not self.share(f"epoch {epoch} is validated", None):
            validate()

    def end(self):
        """Waits until the chief has saved the last step."""
        self.save()
        self.alive()


class _Steps(RunCallback):
    """Counts the steps, and those that the chief saves."""

    def __init__(self, step, follower):
        super().__init__(step)
        self.follower = follower

    def after_step(self, step, logs):
        """Notes a step that the chief saves."""
        if step % self.follower.config.save_every == 0:
            self.follower.saved = step
