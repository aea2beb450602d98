"""The learning rate as a function of the step."""

import tf_keras as keras


def warmup_cosine(config, *, steps, warmup_steps):
    """Linear warm-up, then half a cosine (Loshchilov & Hutter 2017, equation 5).

    The learning rate rises from `warmup_fraction * learning_rate` at step 0 to
    `learning_rate` at step `warmup_steps`, falls to `final_fraction * learning_rate` at
    step `steps` and stays there. The schedule keeps no state: a resumed run continues
    on the same curve.

    Args:
        config: `configs.schema.Optimizer`.
        steps: updates of the whole run.
        warmup_steps: updates of the warm-up, in [0, steps].
    """
    peak = config.learning_rate
    return keras.optimizers.schedules.CosineDecay(
        config.warmup_fraction * peak,
        # Where the warm-up is the whole run, the decay is never reached.
        decay_steps=max(steps - warmup_steps, 1),
        alpha=config.final_fraction,
        warmup_target=peak,
        warmup_steps=warmup_steps,
    )
