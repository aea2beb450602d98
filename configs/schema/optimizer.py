"""AdamW and its learning rate schedule."""

import dataclasses
from typing import Literal

from configs.schema.section import Section, option

USUAL_WARMUP = 2.5  # epochs
SHORT_WARMUP = 0.1  # of the run, where it is not longer than the usual warm-up


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizer(Section):
    """AdamW and its learning rate schedule."""

    prefix = "optimizer."

    learning_rate: float = option(1e-3, "Peak learning rate of the head.", above=0)
    reference_batch_size: int | None = option(
        None,
        "The data.batch_size that the learning rate is for; another one scales it "
        "linearly: learning_rate x batch_size / reference_batch_size. Accumulation "
        "and replicas change nothing, as the batch size is global. none: never.",
        at_least=1,
        was_default=True,
    )
    backbone_lr_multiplier: float = option(
        0.1, "The backbone's learning rate as a multiple of the head's.", at_least=0
    )
    weight_decay: float = option(
        0.02,
        "Decoupled weight decay; none on norms and relative position biases.",
        at_least=0,
    )
    beta_1: float = option(0.9, "Decay of the first moment.", at_least=0, below=1)
    beta_2: float = option(0.999, "Decay of the second moment.", at_least=0, below=1)
    epsilon: float = option(1e-8, "Added to the root of the second moment.", above=0)
    schedule: Literal["cosine", "constant", "wsd"] = option(
        "cosine",
        "Learning rate after the warm-up. cosine: falls along half a cosine; constant: "
        "stays; wsd: stays, then falls over the last decay_epochs. A run may be "
        "continued with more epochs under constant, and under wsd before it falls.",
        was_default=True,
    )
    warmup_epochs: float | None = option(
        None,
        "Length of the linear warm-up. none: 2.5, or a tenth of a run that is not "
        "longer than that.",
        at_least=0,
    )
    decay_epochs: float = option(
        3.0,
        "Epochs at the end of the run in which the learning rate falls under "
        "schedule=wsd.",
        above=0,
        was_default=True,
    )
    warmup_fraction: float = option(
        0.1,
        "Learning rate at step 0 as a fraction of the peak.",
        at_least=0,
        at_most=1,
    )
    final_fraction: float = option(
        0.0,
        "Learning rate after the last step as a fraction of the peak (not under "
        "schedule=constant).",
        at_least=0,
        at_most=1,
    )
    label_smoothing: float = option(
        0.0,
        "Fraction of the target that is spread over all classes.",
        at_least=0,
        below=1,
    )
    class_weights: Literal["none", "balanced"] = option(
        "none",
        "Factor of each example's loss in training. balanced: n / (classes x n_class) "
        "of its class, over the training videos, so that all classes count the same.",
        was_default=True,
    )
    clip_norm: float | None = option(
        None,
        "Global gradient norm above which gradients are scaled down; none: never.",
        above=0,
    )

    def warmup_of(self, epochs):
        """The warm-up of a run of so many epochs, in epochs.

        Where the option leaves it open it is 2.5 epochs, or a tenth of the run where it
        is not longer than that.
        """
        if self.warmup_epochs is not None:
            return self.warmup_epochs
        return USUAL_WARMUP if epochs > USUAL_WARMUP else SHORT_WARMUP * epochs

    def peak(self, batch_size):
        """The peak learning rate of the head, for batches of a size.

        The linear scaling rule (Goyal et al. 2017, section 2.1): k times as many clips
        in each update, k times the learning rate.

        Args:
            batch_size: clips of one update, over all replicas and accumulated parts.
        """
        if self.reference_batch_size is None:
            return self.learning_rate
        return self.learning_rate * batch_size / self.reference_batch_size
