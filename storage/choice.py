"""Which checkpoint of a run is meant by a step, "best" or none."""

from configs.command.errors import ConfigError
from storage.history import Epoch, best_step
from storage.plans import chosen_step
from storage.rows import Rows
from storage.run_folder import checkpoint_steps


def step_of(folder, choice, option):
    """The step of the checkpoint that is meant.

    Args:
        folder: the `RunFolder`.
        choice: a step; "best", the one with the best validation; None, the newest.
        option: how it was asked for, for messages, such as "--step=best".

    Returns:
        int.

    Raises:
        ConfigError: it has no best one.
        CheckpointError: it has no such checkpoint.
    """
    path = folder / "checkpoints"
    if choice != "best":
        return chosen_step(path, choice)
    history = Rows(folder / "history.jsonl", Epoch, key="epoch").read()
    steps = checkpoint_steps(path)
    best = best_step(history, set(steps))
    if best is None:
        raise ConfigError(
            f"{option} must be of a run that was validated on held-out videos "
            f"(data.validation=split or groups); {folder.path} was not: choosing by "
            "the test split would be fitting to it. Its checkpoints are of the steps "
            f"{steps}."
        )
    return best
