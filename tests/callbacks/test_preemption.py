"""A signal loses no finished step, and waits for nothing else."""

import os
import queue
import signal
import time

import pytest
from absl import logging

from callbacks.preemption import Preemption
from configs.command.errors import Interrupted, RetryError

PATIENCE = 120  # seconds


class Run:
    """A `Record`: updates done, and saved."""

    def __init__(self, step):
        self.step = self.saved = step

    @property
    def unsaved(self):
        return self.step > self.saved

    def save(self):
        self.saved = self.step


@pytest.fixture
def exits(monkeypatch):
    """The exit codes with which the process would have ended, in a queue."""
    codes = queue.Queue()
    monkeypatch.setattr(os, "_exit", codes.put)
    return codes


@pytest.fixture
def preemption(keep_signals, exits):
    preemption = Preemption()
    preemption.begin(Run(4))
    return preemption


def send(number, preemption):
    """Sends a signal to this process and waits until it has been noticed."""
    os.kill(os.getpid(), number)
    wait_until(lambda: preemption.signal is not None)


def wait_until(condition):
    """However slow the machine is; only what never happens fails."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


CODES = [
    (signal.SIGTERM, RetryError, 75),
    (signal.SIGHUP, RetryError, 75),
    (signal.SIGUSR1, RetryError, 75),
    (signal.SIGINT, Interrupted, 130),
]


@pytest.mark.parametrize(("number", "error", "code"), CODES)
def test_a_signal_saves_the_step_and_ends_with_its_code(
    preemption, exits, number, error, code
):
    preemption.record.step = 5
    send(number, preemption)
    with pytest.raises(error, match="goes on after step 5") as caught:
        preemption.on_train_batch_end(0, {})
    assert caught.value.exit_code == code
    assert preemption.record.saved == 5
    assert exits.empty()


@pytest.mark.parametrize(("number", "error", "code"), CODES)
def test_a_signal_with_nothing_to_save_ends_at_once(
    preemption, exits, number, error, code
):
    send(number, preemption)
    assert exits.get(timeout=PATIENCE) == code


def test_a_signal_before_the_first_checkpoint_ends_at_once(keep_signals, exits, caplog):
    send(signal.SIGTERM, Preemption())
    assert exits.get(timeout=PATIENCE) == 75
    assert "the same command goes on." in caplog.text


def test_a_log_that_nobody_reads_does_not_keep_the_process(
    preemption, exits, monkeypatch
):
    monkeypatch.setattr(logging, "warning", lambda *_: time.sleep(2 * PATIENCE))
    monkeypatch.setattr("callbacks.preemption.ECHO", 0)
    preemption.record.step = 5
    send(signal.SIGTERM, preemption)
    wait_until(lambda: preemption.heard)
    os.kill(os.getpid(), signal.SIGTERM)
    assert exits.get(timeout=PATIENCE) == 75


def test_a_second_signal_does_not_wait(preemption, exits, caplog, monkeypatch):
    monkeypatch.setattr("callbacks.preemption.ECHO", 0)
    preemption.record.step = 5
    send(signal.SIGINT, preemption)
    wait_until(lambda: preemption.heard)
    assert exits.empty()
    assert "again to stop at once" in caplog.text
    os.kill(os.getpid(), signal.SIGINT)
    assert exits.get(timeout=PATIENCE) == 130


def test_a_signal_that_is_delivered_twice_is_one(preemption, exits, monkeypatch):
    monkeypatch.setattr("callbacks.preemption.ECHO", 2 * PATIENCE)
    preemption.record.step = 5
    send(signal.SIGTERM, preemption)
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(queue.Empty):
        exits.get(timeout=0.2)
    with pytest.raises(RetryError):
        preemption.on_train_batch_end(0, {})
    assert preemption.record.saved == 5


def test_other_signals_are_not_its_business(preemption, exits):
    handler = signal.signal(signal.SIGUSR2, lambda *_: None)
    try:
        os.kill(os.getpid(), signal.SIGUSR2)
        with pytest.raises(queue.Empty):
            exits.get(timeout=0.1)
    finally:
        signal.signal(signal.SIGUSR2, handler)
    assert preemption.signal is None


@pytest.mark.parametrize("number", [number for number, *_ in CODES])
def test_what_was_ignored_at_the_start_stays_ignored(
    keep_signals, exits, caplog, number
):
    """As SIGHUP under nohup."""
    caplog.set_level("INFO")
    signal.signal(number, signal.SIG_IGN)
    preemption = Preemption()
    assert f"started so: {signal.Signals(number).name}." in caplog.text
    os.kill(os.getpid(), number)
    with pytest.raises(queue.Empty):
        exits.get(timeout=0.1)
    assert preemption.signal is None
    send(signal.SIGHUP if number == signal.SIGTERM else signal.SIGTERM, preemption)
    assert exits.get(timeout=PATIENCE) == 75
