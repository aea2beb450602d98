"""The progress line, and timing.jsonl: how long steps took and waited for clips."""

import collections
import dataclasses
import os
import sys
import time

from absl import logging
from tqdm import tqdm

from callbacks.base import RunCallback
from storage.rows import Row

WINDOW = 50  # Steps that the shown rates are means over.
BOTTLENECK = 0.2  # Fraction of the time waiting for clips that is worth advice.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing(Row):
    """A row of timing.jsonl."""

    seconds: float
    data_wait: float


class Progress(RunCallback):
    """Shows one live line on a terminal, or logs a line every half minute elsewhere.

    Args:
        step: updates done so far.
        calendar: the run's `Calendar`.
        timing: `Rows` that take each step's seconds and seconds of waiting for data.
        after_timing: called with each row that `timing` takes.
        clock: seconds since some moment, a function.
    """

    def __init__(
        self,
        *,
        step,
        calendar,
        timing,
        after_timing=lambda row: None,
        clock=time.monotonic,
    ):
        super().__init__(step)
        self.calendar = calendar
        self.timing = timing
        self.after_timing = after_timing
        self.clock = clock
        self.recent = collections.deque(maxlen=WINDOW)
        self.last = None
        self.advised = False
        self.bar = tqdm(
            total=calendar.steps,
            initial=step,
            disable=not has_lines(sys.stderr),
            unit="step",
            dynamic_ncols=True,
            bar_format="{percentage:3.0f}%|{bar:6}| {n_fmt}/{total_fmt} "
            "[{elapsed}<{remaining}]  {desc}",
        )
        logging.get_absl_handler().addFilter(self._make_room)

    def on_train_begin(self, logs=None):
        """Starts measuring: what lies between two calls of `fit` belongs to no step."""
        self.last = None

    def after_step(self, step, logs):
        """Shows the step and writes its row of timing.jsonl."""
        now, wait = self.clock(), float(logs["data_wait"])
        if self.last is not None:
            seconds = now - self.last
            self.recent.append((seconds, min(wait, seconds)))
            row = {"step": step, "seconds": seconds, "data_wait": wait}
            self.timing.append(row)
            self.after_timing(row)
        self.last = now
        if self.bar.disable:
            logging.log_every_n_seconds(
                logging.INFO,
                "step %d/%d  %s",
                30,
                step,
                self.calendar.steps,
                self._line(step, logs),
            )
        else:
            self.bar.n = step
            self.bar.set_description_str(self._short_line(step, logs), refresh=False)
            self.bar.update(0)
        self._advise()
        if step == self.calendar.steps:
            self.bar.close()

    def after_epoch(self, row):
        """Logs one line for the epoch."""
        line = f"epoch {row['epoch'] + 1}/{self.calendar.epochs}: "
        line += f"loss {row['loss']:.4f}, accuracy {row['accuracy']:.4f}"
        if "top1" in row:
            what = "test" if row["validation"] == "test" else "validation"
            line += f"; {what}: top-1 {row['top1']:.4f}"
        if "top5" in row:
            line += f", top-5 {row['top5']:.4f}"
        logging.info("%s", line)

    def _make_room(self, record):
        """Clears the bar, so that what is logged has a line of its own."""
        self.bar.clear()
        return True

    def _line(self, step, logs):
        """All that is told of a step, as a line of the log."""
        parts = self._parts(step, logs)
        order = ("epoch", "loss", "accuracy", "rate", "speed", "wait", "left")
        return "  ".join(parts[name] for name in order if name in parts)

    def _short_line(self, step, logs):
        """As much of it as the terminal has room for, the most important first."""
        parts = self._parts(step, logs)
        order = ("loss", "speed", "wait", "accuracy", "rate", "epoch")
        meter = self.bar.format_dict | {"prefix": ""}
        room = (meter["ncols"] or 80) - len(self.bar.format_meter(**meter)) - 1
        line = ""
        for part in (parts[name] for name in order if name in parts):
            if len(line) + len(part) > room:
                break
            line += f"{part}  "
        return line.rstrip()

    def _parts(self, step, logs):
        """Name of what is told of a step -> its text."""
        parts = {
            "epoch": f"epoch {self.calendar.epoch_of(step) + 1}/{self.calendar.epochs}",
            "loss": f"loss {logs['loss']:.4f}",
            "accuracy": f"accuracy {logs['accuracy']:.2f}",
            "rate": f"lr {logs['learning_rate']:.2e}",
        }
        if self.recent:
            seconds, waits = map(sum, zip(*self.recent, strict=True))
            speed = len(self.recent) * self.calendar.batch_size / seconds
            left = (self.calendar.steps - step) * seconds / len(self.recent)
            parts["speed"] = f"{speed:.1f} clips/s"
            parts["wait"] = f"data wait {waits / seconds:.0%}"
            parts["left"] = f"ETA {duration(left)}"
        return parts

    def _advise(self):
        if self.advised or len(self.recent) < WINDOW:
            return
        seconds, waits = map(sum, zip(*self.recent, strict=True))
        if waits > BOTTLENECK * seconds:
            self.advised = True
            logging.warning(
                "The input is the bottleneck: %.0f %% of the time was spent waiting "
                "for clips. Give the run more CPU cores (data.threads), or a faster "
                "disk; python -m benchmarks.input measures what a core decodes.",
                100 * waits / seconds,
            )


def has_lines(stream):
    """Whether a stream is a terminal that can show a line; some have no size."""
    return stream.isatty() and os.get_terminal_size(stream.fileno()).lines > 0


def duration(seconds):
    """Seconds as h:mm:ss, or as m:ss where it is less than an hour."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
