"""Which record a worker keeps of a run, and that all go on from the same weights."""

from absl import logging

from callbacks.follower import Follower
from callbacks.lost_videos import LOST
from callbacks.preemption import STOP
from callbacks.record import Record


def keep_record(config, folder, model, clips, calendar, watchdog, preemption, workers):
    """Continues the run where its record ends, on all workers at the same step.

    Args:
        config: the `Experiment`, resolved.
        folder: the `RunFolder`, whose run has begun.
        model: the compiled `Classifier`.
        clips: the `data.clips.Clips`.
        calendar: the run's `Calendar`.
        watchdog: the running `Watchdog`.
        preemption: the installed `Preemption`.
        workers: the `strategy.Workers` of the run.

    Returns:
        `Record` on the chief, `Follower` on any other worker.
    """
    if calendar.short_epochs:
        logging.warning("%s", calendar.short_epochs)
    both = {"watchdog": watchdog, "preemption": preemption, "share": workers.share}
    if workers.is_chief:
        record = Record(config, folder, model, clips, calendar, **both)
    else:
        record = Follower(config.checkpoints, folder, model, **both)
    if workers.count > 1:
        weights = {"step": record.step, "sha256": record.store.values_sha256()}
        workers.compare("weights", weights)
        model.tell_workers(
            lambda: {
                STOP: preemption.signal is not None,
                LOST: len(clips.lost_train_videos),
            }
        )
    return record
