"""Which trained model is wanted, and whether it is there; needs no TensorFlow."""

from configs.command.errors import ConfigError
from configs.schema import Data, Experiment, Model
from configs.schema.data import LEAST_SIZE
from configs.schema.serialization import from_json
from model.hub.handles import check_handle
from storage.choice import step_of
from storage.run_folder import RunFolder


def check_wanted(workdir, handle, *, step=None, override=lambda config: config):
    """Refuses a trained model that is not there, before it is opened.

    Args:
        workdir: the run's folder; empty means the handle.
        handle: a SavedModel: a path or an address.
        step: the checkpoint's step; "best", that of the best validation; None takes
            the newest.
        override: replaces options of the configuration, a function.

    Returns:
        The `Experiment` with these options; for a SavedModel without what it says
        itself.

    Raises:
        ConfigError: neither names a model, what is named is not there, or the options
            are not valid.
        CheckpointError: the run has no such checkpoint.
    """
    if workdir:
        folder = RunFolder(workdir)
        config = override(from_json(folder.saved_config()))
        step_of(folder, step, f"--step={step}")
        return config
    if handle and step is not None:
        raise ConfigError(
            "--step chooses a checkpoint of a run; a SavedModel has none. "
            f"Received --step={step} and {str(handle)!r}."
        )
    if not handle:
        raise ConfigError(
            "--workdir must name a run, or --model.handle a converted checkpoint; "
            "received neither."
        )
    check_handle(handle)
    # It says its size itself: until then none may be too small for another option.
    data = Data(size=LEAST_SIZE)
    return override(Experiment(model=Model(handle=str(handle)), data=data))
