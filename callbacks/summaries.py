"""What TensorBoard shows, each step once however often a run restarted.

The run's folder of event files holds the curves of training and all that is not of one
epoch; the folder `validation` in it holds those of validations. To TensorBoard they are
two runs, so tags that both have, as `loss`, are two curves in one chart. What is called
`time/…` depends on the machine; all else is the same in each run that is the same.
"""

import contextlib
import functools

from absl import logging

from callbacks.base import RunCallback
from callbacks.event_files import FAILURES, EventFiles
from callbacks.introduction import picture_value

TRAINING = ("loss", "accuracy", "learning_rate", "gradient_norm", "loss_scale")
# Tag -> what the rows of epochs call it.
VALIDATION = {"loss": "validation_loss", "accuracy": "top1", "top5": "top5"}
RESULT = ("top1", "top5", "mean_class_accuracy", "loss")


class Summaries(RunCallback):
    """Writes scalars by step; a restart goes on behind what is written already.

    What the event files lack, because the disk was full or the process was killed, is
    written again from the rows; all of it where nothing says what they hold.

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
        self.batch_size = config.data.batch_size
        self.backbone_lr_multiplier = config.optimizer.backbone_lr_multiplier
        self.introduce = functools.cache(introduce)
        self.broken = False
        self._whole_to = self._kept()
        self._write_what_is_missing()

    def _kept(self):
        """The step up to which files of earlier starts are kept; None keeps none."""
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
        if self.broken:
            self._write_what_is_missing()
        with self._forgiving():
            found = {f"test/{name}": result.get(name) for name in RESULT}
            found = {tag: value for tag, value in found.items() if value is not None}
            self.training.add(self.step, found)
            if picture.exists():
                tag = "test/confusion_matrix"
                value = picture_value(tag, picture.read_bytes())
                self.training.show(self.step, value)
            self.training.sync(self.step)

    def sync(self):
        """Writes all to the disk; the next start goes on from here."""
        if not self.broken and self._whole_to != self.step:
            with self._forgiving():
                for files in self.files:
                    files.sync(self.step)
                self._whole_to = self.step

    def _write(self, add, row):
        if not self.broken:
            with self._forgiving():
                add(row)

    def _write_what_is_missing(self):
        """Begins new files with the rows from the last step that is known to be there.

        That step's row is written again, too: a validation may have come after it.
        """
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
        scalars = {name: row[name] for name in TRAINING if name in row}
        if self.backbone_lr_multiplier != 1 and "learning_rate" in row:
            rate = self.backbone_lr_multiplier * row["learning_rate"]
            scalars["learning_rate/backbone"] = rate
        self.training.add(row["step"], scalars)

    def _add_timing(self, row):
        """Writes the step's time, the part of it spent waiting for clips, and speed."""
        seconds = row["seconds"]
        self.training.add(
            row["step"],
            {
                "time/seconds_per_step": seconds,
                "time/data_wait_seconds": row["data_wait"],
                "time/clips_per_second": self.batch_size / max(seconds, 1e-9),
            },
        )

    def _add_validation(self, row):
        found = {tag: row[name] for tag, name in VALIDATION.items() if name in row}
        if found:
            self.validation.add(row["step"], found)

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
