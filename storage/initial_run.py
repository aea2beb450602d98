"""The run whose weights a new run begins with; needs no TensorFlow."""

import dataclasses

from configs.command.errors import CheckpointError, ConfigError
from configs.schema.experiment import Experiment
from configs.schema.init_from import InitFrom
from configs.schema.model import ARCHITECTURE
from configs.schema.serialization import from_json
from storage.choice import step_of
from storage.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class InitialRun:
    """A run, and which of its checkpoints a new run begins with.

    Attributes:
        folder: its `RunFolder`; nothing is written there.
        config: its `Experiment`, resolved.
        step: of the checkpoint.
    """

    folder: RunFolder
    config: Experiment
    step: int

    def __str__(self):
        """The checkpoint as the log names it."""
        return f"step {self.step} of {self.folder.path}"


def find_initial_run(config, folder):
    """The run that `init_from` names, as long as its weights are needed.

    A run that has a checkpoint of its own, or has finished, reads no other run. One
    that was killed before its first checkpoint begins with the same step once more,
    whatever the other run has done meanwhile.

    Args:
        config: the `Experiment` of the run that begins, resolved or not.
        folder: its `RunFolder`.

    Returns:
        `InitialRun`; None where none is needed.

    Raises:
        ConfigError: there is no such run, its files are damaged, its backbone is
            another, or it has no best step.
        CheckpointError: it has no such checkpoint.
    """
    if not config.init_from or folder.has_checkpoint or folder.finished:
        return None
    wanted = InitFrom.parse(config.init_from)
    _ = wanted.config_path  # Which says so where it is not there.
    other = RunFolder(wanted.run)
    other.check_files()
    own = from_json(other.saved_config())
    _refuse_another_backbone(other, own.model, config.model)
    begun = folder.identity.get("initial_weights")
    checkpoint = begun["step"] if begun else wanted.checkpoint
    try:
        step = step_of(other, checkpoint, "init_from=RUN@best")
    except CheckpointError as error:
        if not begun:
            raise
        raise CheckpointError(
            f"{error} The run in {folder.path} began with it, and has no checkpoint "
            "of its own yet: begin in another --workdir, or delete this one."
        ) from None
    return InitialRun(other, own, step)


def begun_model(config, folder):
    """The model of the run whose checkpoint holds a run's weights.

    Args:
        config: see `find_initial_run`, also for what is raised.
        folder: see `find_initial_run`.

    Returns:
        `configs.schema.Model`, resolved: of the run itself where it goes on, of the one
        in `init_from` where it begins with another's weights, else None.
    """
    if folder.has_checkpoint:
        return from_json(folder.saved_config()).model
    initial = find_initial_run(config, folder)
    return initial and initial.config.model


def _refuse_another_backbone(folder, own, wanted):
    """Refuses a model into which the weights of a run do not fit.

    Options that are left open (None) are taken from the run.
    """
    other = [
        f"model.{name} is {theirs!r} there, {ours!r} here"
        for name in ("backbone", *ARCHITECTURE)
        for theirs, ours in [(getattr(own, name), getattr(wanted, name))]
        if ours not in (None, theirs)
    ]
    if other:
        raise ConfigError(
            f"init_from must be a run of the same backbone; that of {folder.path} "
            f"differs: {'; '.join(other)}. Leave these options and --config out, or "
            "begin without init_from."
        )
