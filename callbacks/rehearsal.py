"""The next updates of a run, tried on a model that is then thrown away."""

import dataclasses
import math
import time

from callbacks.journal import Step
from callbacks.restoring import restore_newest
from configs.command.errors import NumericsError
from storage.checkpoints import CheckpointStore
from storage.history import Epoch
from storage.rows import Rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What was found.

    Attributes:
        step: updates done before, those of the checkpoint that was restored; 0 for a
            new run.
        loss: of the next update, the one that the run's journal will hold.
        compile_seconds: time of the next update, in which it is traced and compiled.
        step_seconds: time of the one after it, with the wait for its clips.
    """

    step: int
    loss: float
    compile_seconds: float
    step_seconds: float


def rehearse(folder, model, calendar, train, beat):
    """Restores the newest checkpoint and tries two updates; writes nothing.

    Args:
        folder: the `RunFolder`.
        model: the compiled `Classifier`, whose weights are changed.
        calendar: the run's `Calendar`.
        train: a function that returns the training batches from a step on.
        beat: called after each update.

    Returns:
        `Rehearsal`.

    Raises:
        CheckpointError: see `restore_newest`.
        NumericsError: the loss is not finite.
    """
    path, run_id = folder / "checkpoints", folder.identity.get("run_id")
    journal = Rows(folder / "journal.jsonl", Step)
    history = Rows(folder / "history.jsonl", Epoch, key="epoch")
    store = CheckpointStore(path, model, run_id=run_id)
    step = restore_newest(store, journal, history, calendar, set_aside=False) or 0
    update, batches = model.make_train_function(), iter(train(step))
    losses, seconds = [], []
    for _ in range(2):
        begin = time.monotonic()
        losses.append(update(batches)["loss"])
        seconds.append(time.monotonic() - begin)
        beat()
    if not math.isfinite(losses[0]):
        raise NumericsError(
            f"The loss of update {step + 1} must be finite; it is {losses[0]}. The "
            "weights that the run begins with may not be: see model.handle."
        )
    return Rehearsal(
        step=step,
        loss=losses[0],
        compile_seconds=seconds[0],
        step_seconds=seconds[1],
    )
