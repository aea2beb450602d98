"""A whole run: its sections, and the rules that hold between them."""

import dataclasses

from configs.schema.data import HELD_OUT, Data, Views
from configs.schema.model import Model
from configs.schema.optimizer import Optimizer
from configs.schema.runtime import Checkpoints, Runtime
from configs.schema.section import Section, option, options, require

MOST_REPLICAS = 1024  # that a message lists, however large a batch is


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment(Section):
    """A whole run.

    Sections are replaced, never changed: `dataclasses.replace` validates the new one.
    """

    epochs: int = option(
        30,
        "Passes over the training videos; optimizer.schedule says when a run may be "
        "continued with more.",
        at_least=1,
    )
    seed: int = option(
        0,
        "Decides the initial head, the order of clips and every augmentation.",
        at_least=0,
        below=2**31,
    )
    init_from: str = option(
        "",
        "A run to begin with the weights of: its folder RUN, whose newest checkpoint "
        "is taken; RUN@best takes the one with the best validation, RUN@120 that of "
        "step 120. They take the place of those of model.handle. Where no experiment "
        "is named, the options are RUN's. Step, schedule and optimizer begin anew.",
        was_default=True,
        is_path=True,
    )
    init_head: bool = option(
        True,
        "Take the head of init_from, too, for the classes that have the same names; "
        "false: the backbone alone.",
        was_default=True,
    )
    data: Data = Data()
    model: Model
    optimizer: Optimizer = Optimizer()
    runtime: Runtime = Runtime()
    checkpoints: Checkpoints = Checkpoints()
    views: Views = Views()

    def validate(self):
        """Raises ConfigError where sections that are valid alone do not go together."""
        warmup = self.optimizer.warmup_of(self.epochs)
        require(
            warmup < self.epochs,
            "optimizer.warmup_epochs",
            f"be below epochs={self.epochs}",
            self.optimizer.warmup_epochs,
        )
        require(
            self.optimizer.schedule != "wsd"
            or warmup + self.optimizer.decay_epochs <= self.epochs,
            "optimizer.decay_epochs",
            f"be at most epochs - warmup_epochs = {self.epochs - warmup:g}",
            self.optimizer.decay_epochs,
        )
        require(
            self.data.sampling == "uniform" or self.optimizer.class_weights == "none",
            "optimizer.class_weights",
            "be none where data.sampling=balanced evens out the classes already",
            self.optimizer.class_weights,
        )
        require(
            self.checkpoints.patience == 0 or self.data.validation in HELD_OUT,
            "checkpoints.patience",
            f"be 0 under data.validation={self.data.validation} (only split and groups "
            "hold out what may choose when a run ends; the test split must not)",
            self.checkpoints.patience,
        )
        require(
            self.init_from or self.init_head,
            "init_head",
            "be true where init_from is empty",
            self.init_head,
        )
        self._validate_views()

    def _validate_views(self):
        """Raises ConfigError where views cannot be cut from such clips."""
        require(
            not self.views.short_side or self.views.short_side >= self.data.size,
            "views.short_side",
            f"be 0 or at least data.size={self.data.size}, which is cropped from it",
            self.views.short_side,
        )
        require(
            self.views.sampling == "official" or self.data.frame_sampling == "interval",
            "views.sampling",
            f"be official under data.frame_sampling={self.data.frame_sampling}: only "
            "frames at an interval are placed in other ways",
            self.views.sampling,
        )

    def completed(self):
        """This experiment with the length of its warm-up, where that is left open."""
        warmup = self.optimizer.warmup_of(self.epochs)
        optimizer = dataclasses.replace(self.optimizer, warmup_epochs=warmup)
        return dataclasses.replace(self, optimizer=optimizer)

    def for_another_run(self):
        """This experiment of a run, for another that is to begin with its weights.

        It does not say where the weights of this one came from. A warm-up of the length
        that an open one has here is left open, as the other may be shorter.
        """
        optimizer = dataclasses.replace(self.optimizer, warmup_epochs=None)
        if optimizer.warmup_of(self.epochs) != self.optimizer.warmup_epochs:
            optimizer = self.optimizer
        return dataclasses.replace(
            self, init_from="", init_head=True, optimizer=optimizer
        )

    def check_replicas(self, replicas):
        """Raises ConfigError unless so many replicas can share each batch evenly.

        Only training asks for it: any number of them may evaluate.
        """
        batch, parts = self.data.batch_size, self.runtime.accumulation_steps
        legal = [count for count in divisors(batch) if batch % (count * parts) == 0]
        require(
            batch % (replicas * parts) == 0,
            "data.batch_size",
            f"be divisible by runtime.replicas x runtime.accumulation_steps = "
            f"{replicas} x {parts} (replica counts that divide it: {legal})",
            batch,
        )


def changeable_options():
    """Dotted names of the options with other values of which a run may be continued."""
    return {
        name for name, _, field in options(Experiment) if field.metadata["may_change"]
    }


def divisors(number):
    """The divisors of a positive number that may count replicas, ascending."""
    most = min(number, MOST_REPLICAS)
    return [d for d in range(1, most + 1) if number % d == 0]
