"""Event files have each step once, whatever happened to the run or the disk."""

import pytest
import tensorflow as tf

from callbacks.summaries import Summaries
from storage.rows import Rows
from tests.callbacks.events import scalars


@pytest.fixture
def curves(tmp_path):
    """Opens event files beside the rows they are made of; (journal, history, open)."""
    journal, history = (Rows(tmp_path / name) for name in ("journal", "history"))

    def open_summaries(step):
        for rows in (journal, history):
            rows.rewind(step)
        return Summaries(tmp_path / "tb", step=step, journal=journal, history=history)

    return journal, history, open_summaries


def train(summaries, journal, steps):
    for step in steps:
        row = {"step": step, "loss": float(step)}
        journal.append(row)
        summaries.on_train_batch_end(0, row)


def end_epoch(summaries, history, step):
    row = {"step": step, "epoch": 0, "top1": 0.5}
    history.append(row)
    summaries.after_epoch(row)


def test_event_files_have_each_step_once_after_a_restart(tmp_path, curves):
    journal, history, open_summaries = curves
    first = open_summaries(0)
    train(first, journal, (1, 2))
    end_epoch(first, history, 2)
    train(first, journal, (3, 4))
    again = open_summaries(2)
    train(again, journal, (3, 4, 5))
    end_epoch(again, history, 5)
    assert sorted(scalars(tmp_path / "tb")) == [
        *(("training/loss", step, float(step)) for step in (1, 2, 3, 4, 5)),
        ("validation/top1", 2, 0.5),
        ("validation/top1", 5, 0.5),
    ]


def test_a_restart_with_nothing_left_to_train_has_its_event_files(tmp_path, curves):
    journal, history, open_summaries = curves
    journal.append({"step": 1, "loss": 1.0})
    open_summaries(1)
    assert list(scalars(tmp_path / "tb")) == [("training/loss", 1, 1.0)]


def test_curves_that_could_not_be_written_are_made_up_for(
    tmp_path, curves, monkeypatch, caplog
):
    journal, history, open_summaries = curves
    summaries = open_summaries(0)
    train(summaries, journal, (1,))

    def full_disk(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(tf.summary, "scalar", full_disk)
        train(summaries, journal, (2,))
    train(summaries, journal, (3,))
    assert "The event files cannot be written" in caplog.text
    end_epoch(summaries, history, 3)
    assert sorted(scalars(tmp_path / "tb")) == [
        *(("training/loss", step, float(step)) for step in (1, 2, 3)),
        ("validation/top1", 3, 0.5),
    ]
