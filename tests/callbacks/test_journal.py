"""A row for each step, with nothing but what the step did."""

import hashlib

import numpy as np

from callbacks.journal import Journal
from storage.rows import Rows
from tests.callbacks.logs import LOGS


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
