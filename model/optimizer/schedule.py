"""The learning rate as a function of the step."""

import tensorflow as tf
import tf_keras as keras


def create_schedule(config, *, batch_size, steps, warmup_steps, decay_begin=None):
    """The schedule of a configuration, a pure function of the step.

    Args:
        config: `configs.schema.Optimizer`.
        batch_size: clips of one update, over all replicas and accumulated parts.
        steps: updates of the whole run.
        warmup_steps: updates of the warm-up, in [0, steps].
        decay_begin: updates before the decay of schedule=wsd, which needs it.
    """
    if config.schedule == "cosine":
        return warmup_cosine(
            config, batch_size=batch_size, steps=steps, warmup_steps=warmup_steps
        )
    decays = config.schedule == "wsd"
    return WarmupStableDecay(
        config.peak(batch_size),
        warmup_fraction=config.warmup_fraction,
        warmup_steps=warmup_steps,
        decay_begin=decay_begin if decays else 0,
        decay_steps=steps - decay_begin if decays else 0,
        final_fraction=config.final_fraction,
    )


def warmup_cosine(config, *, batch_size, steps, warmup_steps):
    """Linear warm-up, then half a cosine (Loshchilov & Hutter 2017, equation 5).

    With p the peak for this batch size (`configs.schema.Optimizer.peak`), the learning
    rate rises from `warmup_fraction * p` at step 0 to p at step `warmup_steps`, falls
    to `final_fraction * p` at step `steps` and stays there. The schedule keeps no
    state: a resumed run continues on the same curve.

    Args:
        config: `configs.schema.Optimizer`.
        batch_size: clips of one update, over all replicas and accumulated parts.
        steps: updates of the whole run.
        warmup_steps: updates of the warm-up, in [0, steps].
    """
    peak = config.peak(batch_size)
    return keras.optimizers.schedules.CosineDecay(
        config.warmup_fraction * peak,
        # Where the warm-up is the whole run, the decay is never reached.
        decay_steps=max(steps - warmup_steps, 1),
        alpha=config.final_fraction,
        warmup_target=peak,
        warmup_steps=warmup_steps,
    )


class WarmupStableDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then the peak, then a decay by one minus a square root.

    Warm-up, stable, decay as in Hu et al. 2024 ("MiniCPM", section 4). The decay has
    the form that Hägele et al. 2024 ("Scaling laws and compute-optimal training beyond
    fixed training durations", section 3) find better than a linear one: with d the
    fraction of the decay that is done, 1 - sqrt(d), here down to `final_fraction`:

        peak * (1 - (1 - warmup_fraction) * (1 - step / warmup_steps)),  then peak,
        then peak * (1 - (1 - final_fraction) * sqrt(d))

    Until `decay_begin` no bit of it depends on how long the run is: factors that are
    not reached, or past, are exactly 1. It keeps no state.
    """

    def __init__(
        self,
        peak,
        *,
        warmup_fraction,
        warmup_steps,
        decay_begin=0,
        decay_steps=0,
        final_fraction=0.0,
    ):
        """Takes the durations in updates.

        Args:
            peak: the learning rate after the warm-up.
            warmup_fraction: learning rate at step 0 over the peak.
            warmup_steps: updates of the warm-up; 0: none.
            decay_begin: updates before the decay.
            decay_steps: updates of the decay; 0: the peak stays.
            final_fraction: learning rate after the decay over the peak.
        """
        self.peak = peak
        self.warmup_fraction = warmup_fraction
        self.warmup_steps = warmup_steps
        self.decay_begin = decay_begin
        self.decay_steps = decay_steps
        self.final_fraction = final_fraction

    def __call__(self, step):
        """The learning rate of the update after `step` others: float32."""
        step = tf.cast(step, tf.float32)
        rate = tf.constant(self.peak, tf.float32)
        if self.warmup_steps:
            missing = tf.maximum(1 - step / self.warmup_steps, 0.0)
            rate *= 1 - (1 - self.warmup_fraction) * missing
        if self.decay_steps:
            done = (step - self.decay_begin) / self.decay_steps
            done = tf.clip_by_value(done, 0.0, 1.0)
            rate *= 1 - (1 - self.final_fraction) * tf.sqrt(done)
        return rate

    def get_config(self):
        """The arguments of the constructor."""
        return {
            "peak": self.peak,
            "warmup_fraction": self.warmup_fraction,
            "warmup_steps": self.warmup_steps,
            "decay_begin": self.decay_begin,
            "decay_steps": self.decay_steps,
            "final_fraction": self.final_fraction,
        }
