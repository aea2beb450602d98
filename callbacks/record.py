"""Everything a run writes while it trains, and its continuation after a restart."""

import functools

import numpy as np
from absl import logging

from callbacks.base import Recorder
from callbacks.introduction import introduction
from callbacks.journal import Journal, Step
from callbacks.lost_videos import LostVideos
from callbacks.nonfinite_guard import NonFiniteGuard
from callbacks.patience import has_stopped_improving
from callbacks.profiling import profiles
from callbacks.progress import Progress, Timing
from callbacks.restoring import restore_newest
from callbacks.save_checkpoints import SaveCheckpoints
from callbacks.summaries import Summaries
from callbacks.update_ratios import UpdateRatios
from callbacks.views_progress import show_views
from callbacks.weights_and_biases import WeightsAndBiases
from storage.checkpoints import CheckpointStore
from storage.history import Epoch
from storage.rows import Rows

# What the chief tells the other workers: the step from which all go on, and that it has
# saved, before all of them end.
BEGIN, SAVED = "first step", "saved step"


class Record(Recorder):
    """The rows, event files and checkpoints of a run, which always tell the same story.

    Creating it resumes at the newest step for which the checkpoint and all log rows
    exist: the checkpoint is restored into the model, later rows are removed. A new run
    commits its first checkpoint.

    Args:
        config: the `Experiment`, resolved.
        folder: the `RunFolder`, whose run has begun.
        model: the compiled `Classifier`.
        clips: the `data.clips.Clips`.
        calendar: the run's `Calendar`.
        watchdog: the running `Watchdog`.
        preemption: the installed `Preemption`.
        share: a function of a name and a value that tells the other workers the value.

    Raises:
        CheckpointError: no checkpoint can be used, or none whose rows all exist.
        StorageError: the folder could not be read or written.

    Attributes:
        callbacks: for `fit`, in the order in which they must act.
    """

    show_views = staticmethod(show_views)

    def __init__(
        self, config, folder, model, clips, calendar, *, watchdog, preemption, share
    ):
        self.folder, self.calendar = folder, calendar
        self.patience = config.checkpoints.patience
        self.watchdog, self.preemption, self.share = watchdog, preemption, share
        run_id = folder.identity["run_id"]
        path, keep = folder / "checkpoints", config.checkpoints.keep
        self.store = CheckpointStore(path, model, run_id=run_id, keep=keep)
        self.journal, self.timing, self.history = self.files = [
            Rows(folder / "journal.jsonl", Step),
            Rows(folder / "timing.jsonl", Timing),
            Rows(folder / "history.jsonl", Epoch, key="epoch"),
        ]
        step = restore_newest(self.store, self.journal, self.history, calendar)
        if step is None:  # A run that has begun always has a checkpoint.
            step = 0
            self.store.save(step)
        self.share(BEGIN, step)
        rows = [file.rewind(step) for file in self.files]
        self._writer = Journal(self.journal, step=step, epoch_of=calendar.epoch_of)
        self.loggers = self._open_loggers(config, clips, step)
        self.saver = SaveCheckpoints(
            self.store,
            rows=[*self.files, self.loggers[0]],
            history=self.history,
            step=step,
            save_every=config.checkpoints.save_every,
            lasting=calendar.ends(config.checkpoints.keep_every),
        )
        limit = config.checkpoints.nonfinite_limit
        steps, path = config.runtime.profile_steps, folder / "tensorboard"
        self.callbacks = [
            *profiles(steps, path, step=step, calendar=calendar),
            UpdateRatios(step),  # Before those that read what it adds.
            self._writer,
            *self.loggers,
            Progress(
                step=step,
                calendar=calendar,
                timing=self.timing,
                after_timing=self._after_timing,
            ),
            NonFiniteGuard(limit=limit, rows=rows[0], step=step, store=self.store),
            self.saver,
            LostVideos(clips.check_lost, saver=self.saver, step=step),
            *(watchdog, preemption),  # Last: a step is saved if due before an end.
        ]
        preemption.begin(self)
        self.check_in()

    def _open_loggers(self, config, clips, step):
        """`Summaries`, and whatever else takes the points of the run's curves."""
        name = self.folder.path.resolve().name
        rows = dict(journal=self.journal, timing=self.timing, history=self.history)
        curves = Summaries(
            self.folder / "tensorboard",
            step=step,
            **rows,
            config=config,
            introduce=functools.partial(introduction, config, name, clips.first),
        )
        if not config.runtime.wandb:
            return [curves]
        return [
            curves,
            WeightsAndBiases(self.folder, step=step, **rows, config=config),
        ]

    def _after_timing(self, row):
        for logger in self.loggers:
            logger.after_timing(row)

    @property
    def step(self):
        """Updates done."""
        return self._writer.step

    @property
    def saved(self):
        """The step of the newest checkpoint."""
        return self.saver.saved

    def save(self):
        """Saves the last step, as it must before the run may end.

        Raises:
            StorageError: it could not be written.
        """
        self.saver.save(self.step, required=True)
        self.share(SAVED, self.step)

    def end_epoch(self, epoch, validate):
        """Saves, and writes the epoch's row unless an earlier start has written it.

        Args:
            epoch: counted from 0.
            validate: a function that validates the model and returns what it found, as
                entries of the row.

        Returns:
            Whether the run ends here, as it has stopped getting better.
        """
        self.saver.save(self.step)
        self.check_in()
        done = any(row["epoch"] == epoch for row in self.history.read())
        if not self.share(f"epoch {epoch} is validated", done):
            row = self._means(epoch) | validate()
            self.history.append(row)
            for callback in self.callbacks:
                callback.after_epoch(row)
        return self.share(f"epoch {epoch} is the last", self._is_last(epoch))

    def finish(self, result):
        """Marks the run as finished.

        Args:
            result: what evaluation.json holds.
        """
        for logger in self.loggers:
            logger.show_result(result, self.folder / "confusion_matrix.png")
        self.folder.finish(result)

    def _is_last(self, epoch):
        """Whether the run ends with an epoch because it has stopped getting better."""
        stops = has_stopped_improving(self.history.read(), epoch, self.patience)
        if stops:
            logging.info(
                "The run ends with epoch %d of %d: no better top-1 on the held-out "
                "videos in the last %d epochs (checkpoints.patience).",
                epoch + 1,
                self.calendar.epochs,
                self.patience,
            )
        return stops

    def _means(self, epoch):
        """The row of an epoch before its validation: means over the epoch's steps."""
        end = self.calendar.end(epoch)
        # An epoch shorter than a batch may end with the same step as the one before.
        begin = min(self.calendar.end(epoch - 1), end - 1) if epoch else 0
        steps = [row for row in self.journal.upto(end) if row["step"] > begin]
        return {
            "epoch": epoch,
            "step": end,
            "loss": float(np.mean([row["loss"] for row in steps])),
            "accuracy": float(np.mean([row["accuracy"] for row in steps])),
        }
