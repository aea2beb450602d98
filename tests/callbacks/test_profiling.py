"""Which steps the profiler watches, and that nothing it does ends a run."""

from pathlib import Path

import pytest
import tensorflow as tf

from callbacks.profiling import Profile, profiles
from configs.schema import Calendar

CALENDAR = Calendar(clips=8, batch_size=1, epochs=5)
FOLDER = Path("tensorboard")


@pytest.fixture
def calls(monkeypatch):
    """What the profiler is asked for, as (function, arguments)."""
    calls = []

    def note(name):
        return lambda *arguments, **options: calls.append((name, *arguments, options))

    for name in ("start", "stop"):
        monkeypatch.setattr(tf.profiler.experimental, name, note(name))
    return calls


def train(profile, steps):
    """Lets an epoch of so many steps pass; returns the step it ends with."""
    for _ in range(steps):
        profile.on_train_batch_begin(0)
        profile.on_train_batch_end(0, {})
    profile.on_train_end()
    return profile.step


def test_it_watches_the_first_step_to_the_last(calls):
    profile = Profile(FOLDER, steps=(3, 4), step=0)
    calls.clear()  # What it loads ahead.
    profile.step = train(profile, 2)
    assert not calls
    profile.on_train_batch_begin(0)
    assert calls == [("start", "tensorboard", {})]
    profile.on_train_batch_end(0, {})
    assert len(calls) == 1
    train(profile, 6)
    assert calls[1:] == [("stop", {})]


def test_it_ends_with_its_epoch(calls, caplog):
    profile = Profile(FOLDER, steps=(3, 9), step=0)
    calls.clear()
    with caplog.at_level("INFO", "absl"):
        train(profile, 4)
        train(profile, 8)
    assert [name for name, *_ in calls] == ["start", "stop"]
    assert "A profile of the steps 3 to 4 is in tensorboard/plugins/" in caplog.text


@pytest.mark.parametrize(
    ("steps", "step", "left"),
    [
        ((3, 9), 3, "steps 4 to 40"),
        ((41, 42), 0, "steps 1 to 40"),
        ((3, 9), 40, "no step"),
    ],
)
def test_steps_that_do_not_come_are_told(caplog, steps, step, left):
    assert profiles(steps, FOLDER, step=step, calendar=CALENDAR) == []
    first, last = steps
    assert f"No profile: the steps {first} to {last}" in caplog.text
    assert f"what is left of the run, {left}." in caplog.text


def test_it_goes_on_in_time(calls):
    (profile,) = profiles((3, 9), FOLDER, step=2, calendar=CALENDAR)
    assert (profile.step, profile.first, profile.last) == (2, 3, 9)
    assert profiles(None, FOLDER, step=0, calendar=CALENDAR) == []


def test_a_profiler_that_fails_is_only_told(monkeypatch, caplog):
    def fail(*_, **__):
        raise tf.errors.AlreadyExistsError(None, None, "Another profiler is running.")

    monkeypatch.setattr(tf.profiler.experimental, "start", fail)
    train(Profile(FOLDER, steps=(1, 2), step=0), 3)
    assert "The profiler did not start: Another profiler is running." in caplog.text
