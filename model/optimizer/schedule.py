"""The learning rate as a function of the step."""

import tf_keras as keras


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
