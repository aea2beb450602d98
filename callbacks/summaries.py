"""What TensorBoard shows, each step once however often a run restarted.

The run's folder of event files holds the curves of training and all that is not of one
epoch; the folder `validation` in it holds those of validations. To TensorBoard they are
two runs, so tags that both have, as `loss`, are two curves in one chart.
"""

import contextlib
import functools

from absl import logging

from callbacks.base import RunCallback
from callbacks.curves import (
    points_of_result,
    points_of_step,
    points_of_timing,
    points_of_validation,
)
from callbacks.event_files import FAILURES, EventFiles
from callbacks.introduction import picture_value


class Summaries(RunCallback):
    """Writes scalars by step; a restart goes on behind what is written already.

    What the event files lack, because the disk was full, the process was killed or
    somebody removed them, is written again from the rows, at the end of an epoch at the
    latest; all of it where nothing says what they hold.

    Args:
        path: the folder of event files.
        step: updates done so far.
        journal: the `Rows` of steps, rewound to `step`.
        timing: the `Rows` of their times, rewound to `step`.
        history: the `Rows` of epochs, rewound to `step`.
        config: the `Experiment`.
        introduce: a function that returns what is shown of the run before its first
            step, `Summary.Value`s.
    """

    def __init__(self, path, *, step, journal, timing, history, config, introduce):
        super().__init__(step)
        self.training = EventFiles(path)
        self.validation = EventFiles(path / "validation")
        self.files = [self.training]
        if config.data.validation != "none":
            self.files.append(self.validation)
        self.journal, self.timing, self.history = journal, timing, history
        self.config = config
        self.introduce = functools.cache(introduce)
        self.broken = False
        self._whole_to = None
        self._write_what_is_missing()

    def _kept(self):
        """The step up to which the files that there are stay; None keeps none."""
        written = [files.written() for files in self.files]
        if None in written or self.step == 0:
            with self._forgiving():
                for files in self.files:
                    files.clear()
            return None
        step = min(self.step, *(files.step for files in written))
        for files, known in zip(self.files, written, strict=True):
            if known.step > step:
                files.rewind(step)
        return step

    def after_step(self, step, logs):
        """Writes the scalars of the step."""
        self._write(self._add_step, {"step": step, **logs})

    def after_timing(self, row):
        """Writes how long a step took.

        Args:
            row: of timing.jsonl.
        """
        self._write(self._add_timing, row)

    def after_epoch(self, row):
        """Writes the scalars of a validation, or what was lost before it, too."""
        if self.broken:
            self._write_what_is_missing()
        else:
            self._write(self._add_validation, row)

    def show_result(self, result, picture):
        """Writes what the run has come to.

        An evaluation that is repeated after a restart, or with other views, takes the
        place of this one.

        Args:
            result: what evaluation.json holds.
            picture: path of the confusion matrix, which may be missing.
        """
        self._write(self._add_result, result, picture)
        if self.broken:
            self._write_what_is_missing()
            self._write(self._add_result, result, picture)

    def sync(self):
        """Writes all to the disk; the next start goes on from here."""
        if not self.broken and self._whole_to != self.step:
            with self._forgiving():
                for files in self.files:
                    files.sync(self.step)
                self._whole_to = self.step

    def _write(self, add, *rows):
        if not self.broken:
            with self._forgiving():
                add(*rows)

    def _write_what_is_missing(self):
        """Begins new files with the rows from the last step that is known to be there.

        That step's row is written again, too: a validation may have come after it.
        """
        self._whole_to = self._kept()
        self.broken = False
        first = self._whole_to or 0
        with self._forgiving():
            for files in self.files:
                files.begin(first)
            if not first:
                self.training.show(0, *self.introduce())
            for rows, add in (
                (self.journal, self._add_step),
                (self.timing, self._add_timing),
                (self.history, self._add_validation),
            ):
                for row in rows.read():
                    if row["step"] >= first:
                        add(row)

    def _add_step(self, row):
        self.training.add(row["step"], points_of_step(row, self.config))

    def _add_timing(self, row):
        self.training.add(row["step"], points_of_timing(row, self.config))

    def _add_validation(self, row):
        points = points_of_validation(row)
        if points:
            self.validation.add(row["step"], points)

    def _add_result(self, result, picture):
        self.training.add(self.step, points_of_result(result))
        if picture.exists():
            value = picture_value("test/confusion_matrix", picture.read_bytes())
            self.training.show(self.step, value)
        self.training.sync(self.step)

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
