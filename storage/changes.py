"""What may be done where a run cannot go on with the options that are wanted."""

import shlex

from configs.schema.model import ARCHITECTURE

# With these changed, a run's weights do not fit, or are not the ones that are wanted.
OTHER_WEIGHTS = {
    *("model.backbone", *(f"model.{name}" for name in ARCHITECTURE)),
    *("graph_fingerprint", "init_from", "init_head", "initial_weights"),
}

# What differs where a hash does.
REASONS = {
    "train_fingerprint": "a hash of the videos that are trained on: some were added, "
    "removed, renamed or changed",
    "evaluation_fingerprint": "a hash of the videos that are measured on: some were "
    "added, removed or renamed",
}


def way_on(path, changed, *, has_checkpoint):
    """A sentence for the user whose run cannot go on with what has changed.

    Args:
        path: the run's folder.
        changed: names of the options and facts that have.
        has_checkpoint: whether there are weights that another run can begin with.
    """
    if not has_checkpoint or OTHER_WEIGHTS & set(changed):
        return "Give them their old values, or choose another --workdir."
    return (
        "Give them their old values, or begin a new run with its weights: the same "
        "command with "
        f"--init_from={shlex.quote(str(path))} --workdir=NEW."
    )
