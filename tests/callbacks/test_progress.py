"""The progress line, the line of an epoch, and the timing of steps."""

import io
import os
import sys

import pytest
from absl import logging

from callbacks.progress import Progress
from configs.schema import Calendar
from storage.rows import Rows
from tests.callbacks.logs import LOGS


class Clock:
    """Moves on by a second each time it is looked at."""

    def __init__(self):
        self.time = 0.0

    def __call__(self):
        self.time += 1.0
        return self.time


@pytest.fixture
def progress(tmp_path):
    calendar = Calendar(clips=40, batch_size=4, epochs=20)
    timing = Rows(tmp_path / "timing.jsonl")
    return Progress(step=0, calendar=calendar, timing=timing, clock=Clock())


def test_the_line_says_where_the_run_is_and_when_it_ends(progress):
    for _ in range(11):
        progress.on_train_batch_end(0, LOGS)
    line = progress._line(11, LOGS)
    assert "epoch 2/20" in line and "loss 0.1000" in line and "lr 1.00e-03" in line
    assert "4.0 clips/s" in line and "data wait 50%" in line
    assert "ETA 3:09" in line


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def fileno(self):
        return 2


@pytest.mark.parametrize("lines", [0, 24])
def test_a_bar_is_drawn_where_it_shows_and_gives_way_to_the_log(
    tmp_path, monkeypatch, lines
):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    size = os.terminal_size((80 if lines else 0, lines))
    monkeypatch.setattr(os, "get_terminal_size", lambda _: size)
    calendar = Calendar(clips=40, batch_size=4, epochs=20)
    progress = Progress(step=0, calendar=calendar, timing=Rows(tmp_path / "timing"))
    progress.on_train_batch_end(0, LOGS)
    assert progress.bar.disable == (not lines)
    progress.bar.refresh()
    assert ("1/200" in terminal.getvalue()) == bool(lines)
    assert progress._make_room in logging.get_absl_handler().filters
    progress._make_room(None)
    assert terminal.getvalue().endswith(" \r" if lines else "")
    progress.bar.close()


def test_the_bar_fits_the_terminal_and_drops_the_least_important(tmp_path, monkeypatch):
    """Whole parts only, the loss first."""
    shown = {}
    for columns in (40, 60, 80, 100, 200):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        size = os.terminal_size((columns, 24))
        monkeypatch.setattr(os, "get_terminal_size", lambda _, size=size: size)
        calendar = Calendar(clips=9537, batch_size=64, epochs=30)
        timing = Rows(tmp_path / f"timing {columns}")
        progress = Progress(step=1234, calendar=calendar, timing=timing, clock=Clock())
        progress.bar.dynamic_ncols = lambda _, columns=columns: (columns, 24)
        progress.on_train_batch_end(0, LOGS)
        progress.on_train_batch_end(0, LOGS)
        progress.bar.refresh()
        line = terminal.getvalue().split("\r")[-1].removesuffix("\x1b[A").rstrip()
        progress.bar.close()
        assert len(line) <= columns
        shown[columns] = line.partition("]")[2].split("  ")[1:]
    assert shown[40] == []
    assert shown[60] == ["loss 0.1000"]
    assert shown[80] == ["loss 0.1000", "64.0 clips/s", "data wait 50%"]
    assert shown[100] == [*shown[80], "accuracy 0.25"]
    assert shown[200] == [*shown[100], "lr 1.00e-03", "epoch 9/30"]


def test_waiting_for_clips_is_written_and_advised_upon_once(progress, caplog):
    for _ in range(120):
        progress.on_train_batch_end(0, LOGS)
    timing = progress.timing.read()
    assert timing[0] == {"step": 2, "seconds": 1.0, "data_wait": 0.5}
    assert caplog.text.count("The input is the bottleneck: 50 %") == 1


def test_time_between_two_epochs_is_no_steps(progress):
    progress.on_train_batch_end(0, LOGS)
    progress.clock.time += 1000
    progress.on_train_begin()
    progress.on_train_batch_end(0, LOGS)
    progress.on_train_batch_end(0, LOGS)
    assert [row["seconds"] for row in progress.timing.read()] == [1.0]


def test_an_epoch_is_one_line_of_the_log(progress, caplog):
    caplog.set_level("INFO")
    row = {"epoch": 4, "loss": 0.25, "accuracy": 0.5}
    progress.after_epoch(row)
    progress.after_epoch(
        row | {"validation": "test", "top1": 0.75, "top5": 1.0, "validation_loss": 1.0}
    )
    progress.after_epoch(row | {"validation": "groups", "top1": 0.75})  # Of 4 classes.
    assert caplog.messages == [
        "epoch 5/20: loss 0.2500, accuracy 0.5000",
        "epoch 5/20: loss 0.2500, accuracy 0.5000; test: top-1 0.7500, top-5 1.0000",
        "epoch 5/20: loss 0.2500, accuracy 0.5000; validation: top-1 0.7500",
    ]
