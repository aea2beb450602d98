"""TensorBoard event files, made from the journal so that restarts leave no trace."""

import contextlib
import shutil

import tensorflow as tf
from absl import logging

from callbacks.steps import StepCallback

TRAINING = ("loss", "accuracy", "learning_rate", "gradient_norm", "loss_scale")
VALIDATION = ("top1", "top5", "validation_loss")


class Summaries(StepCallback):
    """Writes scalars by step; at a restart it writes those of the journal anew.

    Event files can only grow: going on in an old one would show the steps after the
    checkpoint twice.

    Args:
      path: the folder of event files.
      step: updates done so far.
      journal: the journal's rows up to `step`.
      history: the rows of epochs up to `step`.
    """

    def __init__(self, path, *, step, journal, history):
        super().__init__(step)
        shutil.rmtree(path, ignore_errors=True)
        self.writer = tf.summary.create_file_writer(str(path))
        for row in journal:
            self.after_step(row["step"], row)
        for row in history:
            self.after_epoch(row)

    def after_step(self, step, logs):
        self._write("training", TRAINING, step, logs)

    def after_epoch(self, row):
        """Writes a row of history.jsonl."""
        self._write("validation", VALIDATION, row["step"], row)
        with self._forgiving():
            self.writer.flush()

    def _write(self, group, names, step, values):
        with self._forgiving(), self.writer.as_default(step=step):
            for name in names:
                if name in values:
                    tf.summary.scalar(f"{group}/{name}", values[name])

    @contextlib.contextmanager
    def _forgiving(self):
        """A full disk loses curves, which a restart makes again, and nothing more."""
        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            logging.log_every_n_seconds(
                logging.WARNING, "The event files cannot be written: %s", 60, error
            )
