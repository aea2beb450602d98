"""AdamW with parameter groups, on a warm-up cosine schedule."""

import tf_keras as keras

from model.optimizer.adamw import AdamW
from model.optimizer.groups import parameter_groups


def create_optimizer(config, model, *, steps, warmup_steps):
    """AdamW on a warm-up cosine schedule, for a model whose variables exist.

    Args:
        config: `configs.schema.Optimizer`.
        model: a classifier with its `backbone`.
        steps: updates of the whole run.
        warmup_steps: updates of the warm-up.
    """
    return AdamW(
        warmup_cosine(config, steps=steps, warmup_steps=warmup_steps),
        groups=parameter_groups(
            model,
            backbone_lr_multiplier=config.backbone_lr_multiplier,
            weight_decay=config.weight_decay,
        ),
        beta_1=config.beta_1,
        beta_2=config.beta_2,
        epsilon=config.epsilon,
        clip_norm=config.clip_norm,
    )


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


def describe_groups(optimizer):
    """One line for each parameter group of an AdamW."""
    return [str(group) for group in optimizer.groups]
