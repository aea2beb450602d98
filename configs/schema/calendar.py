"""Which step belongs to which epoch; only this module turns epochs into steps."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Calendar:
    """Which updates belong to which epoch of a run.

    The clips of all epochs form one stream without gaps. An epoch ends with the update
    in which its last clip is trained on. The other clips of that batch are the first of
    the next epoch, so no clip is dropped or repeated.

    Attributes:
        clips: training clips of an epoch.
        batch_size: clips of an update, over all replicas.
        epochs: epochs of the run.
    """

    clips: int
    batch_size: int
    epochs: int

    @property
    def steps(self):
        """Updates of the whole run."""
        return self.end(self.epochs - 1)

    @property
    def short_epochs(self):
        """What is odd where an epoch has less than one update; "" where none is."""
        if self.clips >= self.batch_size:
            return ""
        return (
            f"{self.clips} training videos are less than one batch of "
            f"{self.batch_size} clips: some epochs are without an update. A smaller "
            "data.batch_size changes that."
        )

    def end(self, epoch):
        """Updates done when every clip of `epoch` (from 0) has been trained on."""
        return -(-(epoch + 1) * self.clips // self.batch_size)

    def ends(self, every):
        """The set of steps at which every `every`-th epoch ends; 0: empty."""
        epochs = range(every - 1, self.epochs, every) if every else ()
        return {self.end(epoch) for epoch in epochs}

    def epoch_of(self, step):
        """The epoch of the first clip of update number `step` (from 1)."""
        return (step - 1) * self.batch_size // self.clips

    def steps_of(self, epochs):
        """A duration in epochs, not necessarily whole, as a number of updates."""
        return round(epochs * self.clips / self.batch_size)

    def decay_begin(self, epochs):
        """Updates done before those of the last `epochs` epochs, a duration.

        A learning rate that falls to the end has its peak until then.
        """
        return self.steps - self.steps_of(epochs)

    def durations(self, optimizer):
        """What the learning rate of each update depends on, for `create_optimizer`.

        Args:
            optimizer: a `configs.schema.Optimizer`.

        Returns:
            dict of "batch_size" (clips), "steps", "warmup_steps" and "decay_begin"
            (updates).
        """
        return {
            "batch_size": self.batch_size,
            "steps": self.steps,
            "warmup_steps": self.steps_of(optimizer.warmup_of(self.epochs)),
            "decay_begin": self.decay_begin(optimizer.decay_epochs),
        }

    def first_epoch(self, step):
        """The epoch in which a run continues after `step` updates.

        It is the number of epochs where the run has none left.
        """
        ends = (epoch for epoch in range(self.epochs) if self.end(epoch) >= step)
        return next(ends, self.epochs)
