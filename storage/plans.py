"""What the folder of a run tells before anything heavy is imported."""

import dataclasses
import importlib.util

from configs.command.errors import CheckpointError, ConfigError
from configs.schema.serialization import from_json
from storage.run_folder import RunFolder, checkpoint_steps


def plan_run(config, workdir):
    """Refuses a run that cannot begin, or cannot go on, by what its folder says.

    Args:
        config: the `Experiment` that is wanted, not resolved.
        workdir: the run's folder, which need not be there.

    Returns:
        (`RunFolder`, what becomes of it in words that follow its path and a colon).

    Raises:
        ConfigError: the folder cannot be a run's, its files are damaged, options
            differ with which a run must go on as it began, or an extra is missing.
    """
    # A folder of that name, as the client leaves one, is found as a package, too.
    client = importlib.util.find_spec("wandb") if config.runtime.wandb else None
    if config.runtime.wandb and (client is None or client.origin is None):
        raise ConfigError(
            "runtime.wandb must be false where the package wandb is not installed: "
            "pip install -c constraints.txt -e '.[wandb]'."
        )
    folder = RunFolder(workdir)
    folder.check_files()
    before = None
    if (folder / "config.json").exists():
        # The model is compared once it is resolved: its handle completes it.
        before = from_json(folder.saved_config())
        folder.check_config(
            dataclasses.asdict(dataclasses.replace(config, model=before.model))
        )
    if folder.finished:
        longer = before and (
            config.epochs > before.epochs
            or config.checkpoints.patience != before.checkpoints.patience
        )
        more = ", and goes on as far as its epochs and patience let it"
        return folder, f"a run that has finished{more if longer else ''}"
    steps = checkpoint_steps(folder / "checkpoints")
    if steps:
        return folder, f"the run goes on, its newest checkpoint is of step {steps[0]}"
    return folder, "a new run"


def chosen_step(checkpoints, step=None):
    """The step of the checkpoint that is asked for.

    Args:
        checkpoints: the folder that holds a run's checkpoints.
        step: the checkpoint's step; None takes the newest.

    Raises:
        CheckpointError: there is no such checkpoint.
    """
    steps = checkpoint_steps(checkpoints)
    if not steps or step not in (None, *steps):
        wanted = "checkpoint" if step is None else f"checkpoint of step {step}"
        there = ", ".join(map(str, steps)) or "none"
        raise CheckpointError(
            f"There is no {wanted} in {checkpoints}; its checkpoints are of the "
            f"steps: {there}."
        )
    return steps[0] if step is None else step
