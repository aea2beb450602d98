"""A run is continued only where its rows reach its checkpoint."""

import json

import pytest

from callbacks.record import Record
from configs.calendar import Calendar
from configs.errors import CheckpointError
from configs.schema import Checkpoints

STEP = 6
CALENDAR = Calendar(clips=8, batch_size=4, epochs=5)  # Epochs of two steps.


class Store:
    """Has whole checkpoints of some steps, newest first."""

    path = "checkpoints"

    def __init__(self, steps):
        self.available = steps
        self.saved = []

    def restore(self, objection):
        reasons = []
        for step in self.available:
            reasons.append(objection(step))
            if reasons[-1] is None:
                return step
        if reasons:
            raise CheckpointError("; ".join(reasons))
        return None

    def save(self, step, protect=()):
        self.saved.append(step)


def open_record(folder, *steps):
    return Record(Checkpoints(), folder, Store(steps), CALENDAR, lambda: None)


def rewrite(path, change):
    """Replaces the rows of a file by what `change` makes of them."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    text = "".join(f"{json.dumps(row)}\n" for row in change(rows))
    path.write_text(text)


@pytest.fixture
def folder(tmp_path):
    """Rows of eight steps and three epochs; validated up to the checkpoint."""
    numbers = {"loss": 0.5, "accuracy": 0.5, "gradient_norm": 1.0}
    (tmp_path / "journal.jsonl").write_text(
        "".join(json.dumps({"step": s, **numbers}) + "\n" for s in range(1, 9))
    )
    (tmp_path / "history.jsonl").write_text(
        "".join(json.dumps({"epoch": e, "step": 2 * e + 2}) + "\n" for e in range(3))
    )
    return tmp_path


def test_it_goes_on_where_the_checkpoint_is(folder):
    record = open_record(folder, STEP)
    assert (record.step, record.unsaved, record.saver.saved) == (6, False, 6)
    assert [row["step"] for row in record.journal.read()] == [1, 2, 3, 4, 5, 6]
    assert record.has_epoch(2) and not record.has_epoch(3)


def test_an_epoch_that_was_not_validated_is_validated_again(folder):
    rewrite(folder / "history.jsonl", lambda rows: rows[:2])
    assert not open_record(folder, STEP).has_epoch(2)


def test_a_new_run_commits_its_first_weights(tmp_path):
    record = open_record(tmp_path)
    assert (record.step, record.store.saved) == (0, [0])


def test_a_journal_without_a_checkpoint_is_no_new_run(folder):
    with pytest.raises(CheckpointError, match="has trained, but checkpoints holds no"):
        open_record(folder)


@pytest.mark.parametrize(
    ("name", "change", "lost"),
    [
        ("journal.jsonl", lambda rows: rows[:4], "step 5"),
        ("journal.jsonl", lambda rows: rows[1:], "step 1"),
        ("journal.jsonl", lambda rows: rows[:2] + rows[3:], "step 3"),
        ("journal.jsonl", lambda rows: [], "step 1"),
        ("history.jsonl", lambda rows: rows[:1], "epoch 1"),
        ("history.jsonl", lambda rows: rows[1:], "epoch 0"),
    ],
)
def test_lost_rows_end_the_run_and_change_nothing(folder, name, change, lost):
    rewrite(folder / name, change)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(CheckpointError, match=f"{name} holds no row of {lost}"):
        open_record(folder, STEP)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_the_newest_checkpoint_that_the_rows_reach_is_taken(folder):
    rewrite(folder / "journal.jsonl", lambda rows: rows[:5])
    record = open_record(folder, 6, 4, 2)
    assert record.step == 4
    assert [row["step"] for row in record.journal.read()] == [1, 2, 3, 4]
    assert [row["epoch"] for row in record.history.read()] == [0, 1]


def test_a_checkpoint_of_a_longer_run_is_passed_over(folder):
    assert open_record(folder, 99, STEP).step == STEP


@pytest.mark.parametrize("damaged", [b'"step: 3', b'"ste0": 3', b'"step": "3"'])
def test_a_damaged_row_does_not_take_those_behind_it_along(folder, damaged):
    path = folder / "journal.jsonl"
    content = path.read_bytes().replace(b'"step": 3', damaged)
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="journal.jsonl holds no row of step 3"):
        open_record(folder, STEP)
    assert path.read_bytes() == content


def test_an_epochs_row_is_the_mean_of_its_steps(folder):
    rewrite(
        folder / "journal.jsonl",
        lambda rows: [{**row, "loss": row["step"]} for row in rows],
    )
    record = open_record(folder, 8)
    row = record.add_epoch(3, {"top1": 0.25})
    assert row == {"epoch": 3, "step": 8, "loss": 7.5, "accuracy": 0.5, "top1": 0.25}
    assert record.history.read()[-1] == row


def test_an_epoch_shorter_than_a_batch_has_the_mean_of_its_one_step(tmp_path):
    calendar = Calendar(clips=3, batch_size=8, epochs=3)
    record = Record(Checkpoints(), tmp_path, Store([]), calendar, lambda: None)
    record.journal.append({"step": 1, "loss": 2.0, "accuracy": 0.5})
    rows = [record.add_epoch(epoch, {}) for epoch in (0, 1)]
    assert [(row["step"], row["loss"]) for row in rows] == [(1, 2.0), (1, 2.0)]
