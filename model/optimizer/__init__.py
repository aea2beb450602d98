"""AdamW with parameter groups, on a schedule with warm-up."""

from absl import logging

from model.optimizer.adamw import AdamW
from model.optimizer.groups import parameter_groups
from model.optimizer.schedule import create_schedule


def create_optimizer(
    config, model, *, batch_size, steps, warmup_steps, decay_begin=None
):
    """AdamW on the schedule of a configuration, for a model whose variables exist.

    Logs whether, and how, the learning rate is scaled with the batch size.

    Args:
        config: `configs.schema.Optimizer`.
        model: a classifier with its `backbone`.
        batch_size: clips of one update, over all replicas and accumulated parts.
        steps: updates of the whole run.
        warmup_steps: updates of the warm-up.
        decay_begin: updates before the decay of schedule=wsd, which needs it.
    """
    if config.reference_batch_size is not None:
        logging.info(
            "Peak learning rate: %g for batches of %d, x%g for batches of %d: %g.",
            config.learning_rate,
            config.reference_batch_size,
            batch_size / config.reference_batch_size,
            batch_size,
            config.peak(batch_size),
        )
    return AdamW(
        create_schedule(
            config,
            batch_size=batch_size,
            steps=steps,
            warmup_steps=warmup_steps,
            decay_begin=decay_begin,
        ),
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


def log_groups(optimizer):
    """Logs the lines of `describe_groups`."""
    for line in describe_groups(optimizer):
        logging.info("%s", line)


def describe_groups(optimizer):
    """One line for each parameter group of an AdamW."""
    return [str(group) for group in optimizer.groups]
