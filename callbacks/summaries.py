"""TensorBoard event files, made from the journal so that restarts leave no trace."""

import contextlib
import shutil

import tensorflow as tf
from absl import logging

from callbacks.base import RunCallback

TRAINING = ("loss", "accuracy", "learning_rate", "gradient_norm", "loss_scale")
VALIDATION = ("top1", "top5", "validation_loss")


class Summaries(RunCallback):
    """Writes scalars by step; a restart first writes those of the journal again.

    Event files can only grow: going on in an old one would show the steps after the
    checkpoint twice.

    Args:
        path: the folder of event files.
        step: updates done so far.
        journal: the `Rows` of steps, rewound to `step`.
        history: the `Rows` of epochs, rewound to `step`.
    """

    def __init__(self, path, *, step, journal, history):
        super().__init__(step)
        self.path = path
        self.journal = journal
        self.history = history
        self._write_anew()

    def after_step(self, step, logs):
        """Writes the scalars of the step."""
        if not self.broken:
            with self._forgiving():
                self._write("training", TRAINING, step, logs)

    def after_epoch(self, row):
        """Writes the scalars of a validation, or all again where some were lost."""
        if self.broken:
            self._write_anew()
            return
        with self._forgiving():
            self._write("validation", VALIDATION, row["step"], row)
            self.writer.flush()

    def _write_anew(self):
        self.broken = False
        with self._forgiving():
            if self.path.exists():
                shutil.rmtree(self.path)
            self.writer = tf.summary.create_file_writer(str(self.path))
            for row in self.journal.read():
                self._write("training", TRAINING, row["step"], row)
            for row in self.history.read():
                self._write("validation", VALIDATION, row["step"], row)
            self.writer.flush()

    def _write(self, group, names, step, values):
        with self.writer.as_default(step=step):
            for name in names:
                if name in values:
                    tf.summary.scalar(f"{group}/{name}", values[name])

    @contextlib.contextmanager
    def _forgiving(self):
        """Notes that writing failed, for the end of the epoch to write all again."""
        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            self.broken = True
            logging.log_every_n_seconds(
                logging.WARNING, "The event files cannot be written: %s", 60, error
            )
