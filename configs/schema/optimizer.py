"""AdamW and its warm-up cosine schedule."""

import dataclasses

from configs.schema.section import Section, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizer(Section):
    """AdamW and its warm-up cosine schedule."""

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
    warmup_epochs: float = option(2.5, "Length of the linear warm-up.", at_least=0)
    warmup_fraction: float = option(
        0.1,
        "Learning rate at step 0 as a fraction of the peak.",
        at_least=0,
        at_most=1,
    )
    final_fraction: float = option(
        0.0,
        "Learning rate after the last step as a fraction of the peak.",
        at_least=0,
        at_most=1,
    )
    label_smoothing: float = option(
        0.0,
        "Fraction of the target that is spread over all classes.",
        at_least=0,
        below=1,
    )
    clip_norm: float | None = option(
        None,
        "Global gradient norm above which gradients are scaled down; none: never.",
        above=0,
    )

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
