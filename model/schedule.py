"""The learning rate of a run as a function of the step."""

import math

import tensorflow as tf
import tf_keras as keras


@keras.saving.register_keras_serializable("video_swin")
class WarmUpCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then half a cosine (Loshchilov & Hutter 2017, equation 5).

    Rises from `warmup_fraction * peak` at step 0 to `peak` at step `warmup_steps`,
    falls to `final_fraction * peak` at step `steps` and stays there. It keeps no state:
    a resumed run continues on the same curve.

    Args:
        peak: highest learning rate.
        steps: steps of the whole run.
        warmup_steps: steps of the warm-up, in [0, steps]; need not be whole.
        warmup_fraction: share of the peak at step 0, in [0, 1].
        final_fraction: share of the peak at the end, in [0, 1].
    """

    def __init__(
        self, peak, *, steps, warmup_steps=0, warmup_fraction=0.1, final_fraction=0.0
    ):
        if not 0 <= warmup_steps <= steps or steps <= 0:
            raise ValueError(
                "warmup_steps must lie in [0, steps], and steps be positive; "
                f"received warmup_steps={warmup_steps}, steps={steps}."
            )
        self.peak = peak
        self.steps = steps
        self.warmup_steps = warmup_steps
        self.warmup_fraction = warmup_fraction
        self.final_fraction = final_fraction

    def __call__(self, step):
        # Steps are integers: without the cast, divisions of small steps would be 0.
        step = tf.cast(step, tf.float32)
        risen = tf.clip_by_value(step / max(self.warmup_steps, 1e-9), 0.0, 1.0)
        fall = max(self.steps - self.warmup_steps, 1e-9)
        fallen = tf.clip_by_value((step - self.warmup_steps) / fall, 0.0, 1.0)
        warmup = self.warmup_fraction + (1 - self.warmup_fraction) * risen
        cosine = 0.5 * (1 + tf.cos(math.pi * fallen))
        decay = self.final_fraction + (1 - self.final_fraction) * cosine
        share = tf.where(step < self.warmup_steps, warmup, decay)
        return self.peak * share

    def get_config(self):
        return {
            "peak": self.peak,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
            "warmup_fraction": self.warmup_fraction,
            "final_fraction": self.final_fraction,
        }
