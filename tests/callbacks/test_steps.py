"""Callbacks that act after steps: journal, numerics, saving, signals, progress."""

import hashlib
import io
import os
import subprocess
import sys
import types

import numpy as np
import pytest
from absl import logging

from callbacks.checkpoint import SaveCheckpoints, best_step
from callbacks.journal import Journal
from callbacks.lost import LostClips
from callbacks.numerics import NonFiniteGuard
from callbacks.progress import Progress
from callbacks.rows import Rows
from configs.calendar import Calendar
from configs.errors import DataError, NumericsError, StorageError

LOGS = {
    "loss": np.float32(0.1),
    "accuracy": np.float32(0.25),
    "learning_rate": np.float32(1e-3),
    "gradient_norm": np.float32(2.0),
    "loss_scale": np.float32(1.0),
    "weight": np.float32(4.0),
    "video": np.array([3, 1, 2, 0]),
    "data_wait": 0.5,
}


def test_a_journal_row_is_the_steps_own_and_exact(tmp_path):
    rows = Rows(tmp_path / "journal.jsonl")
    journal = Journal(rows, step=6, epoch_of=lambda step: step // 4)
    journal.on_train_batch_end(0, LOGS)
    (row,) = rows.read()
    assert list(row)[:3] == ["step", "epoch", "loss"]
    assert (row["step"], row["epoch"]) == (7, 1)
    assert np.float32(row["loss"]) == LOGS["loss"]
    ids = np.array([3, 1, 2, 0], "<i8").tobytes()
    assert row["examples"] == hashlib.sha256(ids).hexdigest()[:16]


def test_the_order_of_examples_changes_the_hash(tmp_path):
    rows = Rows(tmp_path / "journal.jsonl")
    journal = Journal(rows, step=0, epoch_of=lambda step: 0)
    journal.on_train_batch_end(0, LOGS)
    journal.on_train_batch_end(0, {**LOGS, "video": np.array([1, 3, 2, 0])})
    first, second = rows.read()
    assert first["examples"] != second["examples"]


def guard(limit, rows=()):
    store = types.SimpleNamespace(steps=lambda: [8, 4], folder="checkpoints/{}".format)
    return NonFiniteGuard(limit=limit, rows=rows, step=8, store=store)


BAD = {**LOGS, "loss": np.float32("nan")}
WORSE = {**LOGS, "gradient_norm": np.float32("inf")}


def test_accidents_are_forgiven_but_not_in_a_row():
    numerics = guard(limit=3)
    for logs in (BAD, WORSE, LOGS, BAD, BAD):
        numerics.on_train_batch_end(0, logs)
    with pytest.raises(
        NumericsError, match="3 updates.*step 14.*checkpoints/8"
    ) as caught:
        numerics.on_train_batch_end(0, WORSE)
    assert caught.value.exit_code == 5


def test_a_restart_goes_on_counting():
    numerics = guard(limit=3, rows=[LOGS, BAD, BAD])
    with pytest.raises(NumericsError):
        numerics.on_train_batch_end(0, BAD)


class Store:
    """Notes what it is asked to save; fails while told to."""

    def __init__(self):
        self.saved, self.full = [], False

    def steps(self):
        return [step for step, *_ in self.saved]

    def save(self, step, protect=()):
        if self.full:
            raise StorageError("no space")
        self.saved.append((step, *protect))


@pytest.fixture
def saver(tmp_path):
    history = Rows(tmp_path / "history.jsonl")
    return SaveCheckpoints(
        Store(), rows=[history], history=history, step=0, save_every=3
    )


def test_saves_come_every_so_many_steps_of_the_run(saver):
    for _ in range(7):
        saver.on_train_batch_end(0, LOGS)
    assert [step for step, _ in saver.store.saved] == [3, 6]


def test_a_full_disk_delays_saving_and_not_training(saver):
    saver.store.full = True
    for _ in range(3):
        saver.on_train_batch_end(0, LOGS)
    with pytest.raises(StorageError) as caught:
        saver.save(3, required=True)
    assert caught.value.exit_code == 6
    saver.store.full = False
    for _ in range(3):
        saver.on_train_batch_end(0, LOGS)
    assert [step for step, _ in saver.store.saved] == [6]


def test_the_best_epoch_is_protected(saver):
    saver.history.append({"step": 2, "validation": "groups", "top1": 0.5})
    saver.save(2)
    assert saver.store.saved == [(2, 2)]
    assert saver.saved == 2


def test_the_best_is_never_chosen_on_the_test_split():
    row = {"step": 4, "top1": 0.9}
    assert best_step([{**row, "validation": "test"}, {"step": 8}], {4, 8}) is None
    groups = [
        {"step": s, "validation": "groups", "top1": t} for s, t in ((1, 0.5), (2, 0.5))
    ]
    assert best_step(groups, {1, 2}) == 1
    assert best_step(groups, {2}) == 2  # The disk was full when the first ended.


def test_videos_gone_bad_end_the_run_with_a_checkpoint(saver):
    def check():
        if lost.step >= 3:
            raise DataError("too many")

    lost = LostClips(check, saver=saver, step=1)
    lost.on_train_batch_end(0, LOGS)
    with pytest.raises(DataError) as caught:
        lost.on_train_batch_end(0, LOGS)
    assert caught.value.exit_code == 3
    assert saver.store.saved == [(3, None)]


def test_the_watchdog_prints_stacks_and_exits(repository):
    code = (
        "import time\n"
        "from callbacks.watchdog import Watchdog\n"
        "watchdog = Watchdog(seconds=0.2)\n"
        "watchdog.beat()\n"
        "def a_step_that_hangs():\n"
        "    time.sleep(60)\n"
        "a_step_that_hangs()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=repository
    )
    assert result.returncode == 1
    assert "a_step_that_hangs" in result.stderr


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
    assert "epoch 2/20" in line and "loss 0.1000" in line and "rate 1.00e-03" in line
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
