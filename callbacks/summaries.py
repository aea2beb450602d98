"""The curves that TensorBoard shows, each step once however often a run restarted."""

import contextlib

from absl import logging

from callbacks.base import RunCallback
from callbacks.event_files import FAILURES, EventFiles

TRAINING = ("loss", "accuracy", "learning_rate", "gradient_norm", "loss_scale")
VALIDATION = ("top1", "top5", "validation_loss")


class Summaries(RunCallback):
    """Writes scalars by step; a restart goes on behind what is written already.

    What the event files lack, because the disk was full or the process was killed, is
    written again from the rows; all of it where nothing says what they hold.

    Args:
        path: the folder of event files.
        step: updates done so far.
        journal: the `Rows` of steps, rewound to `step`.
        history: the `Rows` of epochs, rewound to `step`.
    """

    def __init__(self, path, *, step, journal, history):
        super().__init__(step)
        self.events = EventFiles(path)
        self.journal = journal
        self.history = history
        self.broken = False
        self._whole_to = self._kept()
        self._write_what_is_missing()

    def _kept(self):
        """The step up to which files of earlier starts are kept; None keeps none."""
        written = self.events.written()
        if written is None:
            with self._forgiving():
                self.events.clear()
            return None
        if written.step > self.step:
            self.events.rewind(self.step)
        return min(written.step, self.step)

    def after_step(self, step, logs):
        """Writes the scalars of the step."""
        if not self.broken:
            with self._forgiving():
                self._add("training", TRAINING, step, logs)

    def after_epoch(self, row):
        """Writes the scalars of a validation, or what was lost before it, too."""
        if self.broken:
            self._write_what_is_missing()
            return
        with self._forgiving():
            self._add("validation", VALIDATION, row["step"], row)

    def sync(self):
        """Writes all to the disk; the next start goes on from here."""
        if not self.broken and self._whole_to != self.step:
            with self._forgiving():
                self.events.sync(self.step)
                self._whole_to = self.step

    def _write_what_is_missing(self):
        """Begins a new file with the rows from the last step that is known to be there.

        That step's row is written again, too: a validation may have come after it.
        """
        self.broken = False
        first = self._whole_to or 0
        with self._forgiving():
            self.events.begin(first)
            for rows, group, names in (
                (self.journal, "training", TRAINING),
                (self.history, "validation", VALIDATION),
            ):
                for row in rows.read():
                    if row["step"] >= first:
                        self._add(group, names, row["step"], row)

    def _add(self, group, names, step, values):
        scalars = {f"{group}/{name}": values[name] for name in names if name in values}
        if scalars:
            self.events.add(step, scalars)

    @contextlib.contextmanager
    def _forgiving(self):
        """Notes that writing failed, for the end of the epoch to write it again."""
        try:
            yield
        except FAILURES as error:
            self.broken = True
            logging.log_every_n_seconds(
                logging.WARNING, "The event files cannot be written: %s", 60, error
            )
