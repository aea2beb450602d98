"""The points of a run's curves: what is drawn of the rows of its files.

Tags that a training and its validations share, as `loss`, belong into one chart. What
is called `time/…` depends on the machine; all else is the same in each run that is the
same.
"""

from callbacks.update_ratios import RATIOS

TRAINING = ("loss", "accuracy", "learning_rate", "gradient_norm", "loss_scale")
# Tag -> what the journal calls it, in some of its rows.
NOW_AND_THEN = {f"update_ratio/{part}": name for name, part in RATIOS.items()}
# Tag -> what the rows of epochs call it.
VALIDATION = {"loss": "validation_loss", "accuracy": "top1", "top5": "top5"}
RESULT = ("top1", "top5", "mean_class_accuracy", "loss")


def points_of_step(row, config):
    """The points of a step.

    Args:
        row: of the journal, or what `fit` tells of a step.
        config: the `Experiment`.

    Returns:
        dict of tag -> number.
    """
    names = {name: name for name in TRAINING} | NOW_AND_THEN
    points = {tag: float(row[name]) for tag, name in names.items() if name in row}
    multiplier = config.optimizer.backbone_lr_multiplier
    if multiplier != 1 and "learning_rate" in row:
        points["learning_rate/backbone"] = multiplier * points["learning_rate"]
    return points


def points_of_timing(row, config):
    """The points of how long a step took: its seconds, its wait for clips, the speed.

    Args:
        row: of timing.jsonl.
        config: the `Experiment`.

    Returns:
        dict of tag -> number.
    """
    return {
        "time/seconds_per_step": row["seconds"],
        "time/data_wait_seconds": row["data_wait"],
        "time/clips_per_second": config.data.batch_size / max(row["seconds"], 1e-9),
    }


def points_of_validation(row):
    """The points of a validation: dict of tag -> number; empty where there was none.

    Args:
        row: of history.jsonl.
    """
    return {tag: row[name] for tag, name in VALIDATION.items() if name in row}


def points_of_result(result):
    """The points of a result: dict of tag -> number.

    Args:
        result: what evaluation.json holds.
    """
    found = {f"test/{name}": result.get(name) for name in RESULT}
    return {tag: value for tag, value in found.items() if value is not None}
