"""The live line of a validation or evaluation, and the lines of the log without one."""

import io
import os
import sys
import weakref

import pytest
from absl import logging
from tqdm import tqdm

from callbacks import show_views


class Clock:
    """A time that is set by hand."""

    time = 100.0

    def __call__(self):
        return self.time


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def fileno(self):
        return 2


@pytest.fixture
def open_terminal(monkeypatch):
    """Makes standard error a terminal of 80 columns; within a test, as pytest does."""

    def open_terminal():
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        size = os.terminal_size((80, 24))
        monkeypatch.setattr(os, "get_terminal_size", lambda _: size)
        for name, value in (("COLUMNS", "81"), ("LINES", "25")):  # One is left free.
            monkeypatch.setenv(name, value)
        # A bar that an earlier test of this process left open has a line of its own.
        monkeypatch.setattr(tqdm, "_instances", weakref.WeakSet())
        return terminal

    return open_terminal


def on_screen(text):
    """The last line of a terminal that only knows carriage returns."""
    line = []
    for part in text.rpartition("\n")[2].split("\r"):
        line[: len(part)] = part
    return "".join(line)


def test_without_a_terminal_a_line_is_logged_every_half_minute(caplog, capsys):
    caplog.set_level("INFO")
    clock = Clock()
    with show_views("evaluation", 120, clock) as advance:
        for seconds in (20, 20, 10, 10, 30):
            clock.time += seconds
            advance(12)
    assert caplog.messages == [
        "evaluation: 24/120 views  0.6/s  ETA 2:40",
        "evaluation: 60/120 views  0.7/s  ETA 1:30",
    ]
    assert capsys.readouterr().err == ""


def test_what_takes_less_than_half_a_minute_logs_nothing(caplog):
    caplog.set_level("INFO")
    clock = Clock()
    with show_views("validation", 7, clock) as advance:
        clock.time += 29
        advance(7)
    assert not caplog.messages


def test_a_terminal_shows_one_line_that_leaves_nothing_behind(open_terminal, caplog):
    terminal = open_terminal()
    caplog.set_level("INFO")
    clock = Clock()
    with show_views("evaluation", 45396, clock) as advance:
        advance(45000)
        clock.time += 1000
        (bar,) = tqdm._instances
        bar.refresh()
        line = on_screen(terminal.getvalue())
        assert line.startswith("evaluation  99%|")
        assert "| 45000/45396 [" in line and line.rstrip().endswith("views/s")
        assert len(line) <= 80
    assert on_screen(terminal.getvalue()).strip() == ""
    assert "\n" not in terminal.getvalue()
    assert not caplog.messages


def test_the_line_covers_that_of_the_training_and_gives_way_to_the_log(open_terminal):
    terminal = open_terminal()
    handler = logging.get_absl_handler()
    before = list(handler.filters)
    options = {"file": terminal, "leave": False, "bar_format": "{desc}"}
    with (
        tqdm(total=9, desc="x" * 79, **options),
        show_views("validation", 10) as advance,
    ):
        advance(5)
        assert "x" not in on_screen(terminal.getvalue())
        (make_room,) = set(handler.filters) - set(before)
        assert make_room(None)
        assert on_screen(terminal.getvalue()).strip() == ""
        assert terminal.getvalue().endswith("\r")
    assert handler.filters == before


def test_the_line_goes_when_the_evaluation_is_interrupted(open_terminal):
    terminal = open_terminal()
    handler = logging.get_absl_handler()
    before = list(handler.filters)
    with pytest.raises(KeyboardInterrupt):
        with show_views("evaluation", 10) as advance:
            advance(1)
            raise KeyboardInterrupt
    assert handler.filters == before
    assert on_screen(terminal.getvalue()).strip() == ""
