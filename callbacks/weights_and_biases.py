"""The curves of a run at Weights & Biases, where `runtime.wandb` asks for them."""

import collections
import contextlib

from absl import logging

from callbacks.base import RunCallback
from callbacks.curves import (
    points_of_result,
    points_of_step,
    points_of_timing,
    points_of_validation,
)
from callbacks.introduction import hyperparameters

FINISH_SECONDS = 60  # after which an end no longer waits for a slow network


class WeightsAndBiases(RunCallback):
    """Logs to the run there whose id is this run's own, so that restarts continue it.

    It takes no step twice: what a restart does again is passed over. What it lacks, as
    rows from before it was asked for, is logged at the start. Nothing that fails here
    is worth a run: after a warning, this start logs no more.

    Args:
        folder: the `RunFolder`, whose run has begun.
        step: updates done so far.
        journal: the `Rows` of steps, rewound to `step`.
        timing: the `Rows` of their times, rewound to `step`.
        history: the `Rows` of epochs, rewound to `step`.
        config: the `Experiment`.
    """

    def __init__(self, folder, *, step, journal, timing, history, config):
        super().__init__(step)
        self.config = config
        self.run = None
        with self._forgiving():
            self.run = _begin(folder, config)
            self.first = self.run.step
            self._log_what_is_missing(journal, timing, history)

    def after_step(self, step, logs):
        """Logs the points of the step."""
        self._log(step, points_of_step(logs, self.config))

    def after_timing(self, row):
        """Logs how long a step took; see `Summaries.after_timing`."""
        self._log(row["step"], points_of_timing(row, self.config))

    def after_epoch(self, row):
        """Logs the points of a validation."""
        self._log(row["step"], _of_validation(row))

    def show_result(self, result, picture):
        """Logs what the run has come to, and ends it; see `Summaries.show_result`."""
        with self._forgiving():
            if self.run is not None:
                self.run.summary.update(points_of_result(result))
                if picture.exists():
                    image = _wandb().Image(str(picture))
                    self.run.log({"test/confusion_matrix": image})
                self.run.finish()

    def _log_what_is_missing(self, journal, timing, history):
        points = collections.defaultdict(dict)
        for row in journal.read():
            points[row["step"]] |= points_of_step(row, self.config)
        for row in timing.read():
            points[row["step"]] |= points_of_timing(row, self.config)
        for row in history.read():
            points[row["step"]] |= _of_validation(row)
        for step in sorted(points):
            self._log(step, points[step])

    def _log(self, step, points):
        if self.run is not None and points and step >= self.first:
            with self._forgiving():
                self.run.log(points, step=step)

    @contextlib.contextmanager
    def _forgiving(self):
        """Logs nothing more once the client has failed."""
        try:
            yield
        except Exception as error:
            self.run = None
            what = type(error).__name__
            logging.warning("Weights & Biases gets no more (%s: %s).", what, error)


def _wandb():
    """The official client, which is an extra."""
    import wandb

    return wandb


def _begin(folder, config):
    """Begins, or continues, the run; whose it is, and where, the environment says."""
    wandb = _wandb()
    return wandb.init(
        id=folder.identity["run_id"],
        resume="allow",
        name=folder.path.resolve().name,
        config=hyperparameters(config),
        dir=str(folder.path),
        # It would take the place of the standard streams, which have their own rules.
        settings=wandb.Settings(console="off", finish_timeout=FINISH_SECONDS),
    )


def _of_validation(row):
    return {f"validation/{t}": value for t, value in points_of_validation(row).items()}
