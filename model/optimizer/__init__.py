"""AdamW with parameter groups, on a warm-up cosine schedule."""

from model.optimizer.adamw import AdamW
from model.optimizer.groups import parameter_groups
from model.optimizer.schedule import warmup_cosine


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


def describe_groups(optimizer):
    """One line for each parameter group of an AdamW."""
    return [str(group) for group in optimizer.groups]
