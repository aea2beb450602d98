"""Whether a run that has begun may be continued for more epochs than it was to have."""

from configs.schema.calendar import Calendar


def why_not_extended(before, epochs, *, clips, step):
    """Why a run cannot go on with another number of epochs, or None where it can.

    It can where all that has been done is what a run of that number, started anew,
    would have done: where no learning rate so far depends on the number.

    Args:
        before: the `Experiment` that the run has followed.
        epochs: the number that is wanted.
        clips: training clips of an epoch.
        step: updates done so far, those of the newest checkpoint.
    """
    schedule = before.optimizer.schedule
    if schedule == "cosine":
        return "every learning rate of optimizer.schedule=cosine depends on it"
    if epochs < before.epochs:
        return "it may only grow"
    if schedule == "constant":
        return None
    calendar = Calendar(clips, before.data.batch_size, before.epochs)
    begin = calendar.decay_begin(before.optimizer.decay_epochs)
    if step > begin:
        return (
            f"the decay of optimizer.schedule=wsd began after step {begin}, and the "
            f"newest checkpoint is of step {step}"
        )
    return None
