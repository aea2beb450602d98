"""A run is continued only where its rows reach its checkpoint."""

import json
import tracemalloc
from types import SimpleNamespace

import pytest

from callbacks import Preemption, Record, Watchdog
from callbacks import record as record_module
from configs import demo
from configs.command.errors import CheckpointError
from configs.schema import Calendar
from storage.run_folder import RunFolder

pytestmark = pytest.mark.usefixtures("keep_signals")

STEP = 6
VALIDATION = {"validation": "test", "top1": 0.25, "top5": 1.0}
CALENDAR = Calendar(clips=8, batch_size=4, epochs=5)  # Epochs of two steps.


class Store:
    """Has whole checkpoints of some steps, newest first."""

    path = "checkpoints"

    def __init__(self, steps):
        self.available = steps
        self.saved = []

    def restore(self, objection, *, set_aside=True):
        reasons = []
        for step in self.available:
            reasons.append(objection(step))
            if reasons[-1] is None:
                return step
        if reasons:
            raise CheckpointError("; ".join(reasons))
        return None

    def steps(self):
        return [*self.available, *self.saved]

    def save(self, step, protect=()):
        self.saved.append(step)


@pytest.fixture
def open_record(monkeypatch):
    """Opens the record of a folder whose checkpoints are those of some steps."""

    def open_record(folder, *steps, calendar=CALENDAR):
        store = Store(steps)
        monkeypatch.setattr(record_module, "CheckpointStore", lambda *_, **__: store)
        monkeypatch.setattr(RunFolder, "identity", {"run_id": "a run"})
        return Record(
            demo.config(),
            RunFolder(folder),
            None,
            SimpleNamespace(check_lost=lambda count: None, first=lambda count: []),
            calendar,
            share=lambda name, value: value,
            watchdog=Watchdog(0),
            preemption=Preemption(),
        )

    return open_record


def validated_epochs(record):
    return [row["epoch"] for row in record.history.read()]


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
        "".join(
            json.dumps({"epoch": e, "step": 2 * e + 2, **numbers}) + "\n"
            for e in range(3)
        )
    )
    return tmp_path


def test_it_goes_on_where_the_checkpoint_is(folder, open_record):
    record = open_record(folder, STEP)
    assert (record.step, record.unsaved, record.saver.saved) == (6, False, 6)
    assert [row["step"] for row in record.journal.read()] == [1, 2, 3, 4, 5, 6]
    assert validated_epochs(record) == [0, 1, 2]


def test_an_epoch_that_was_not_validated_is_validated_again(folder, open_record):
    rewrite(folder / "history.jsonl", lambda rows: rows[:2])
    record = open_record(folder, STEP)
    assert validated_epochs(record) == [0, 1]
    record.end_epoch(2, lambda: VALIDATION)
    assert record.history.read()[-1]["top1"] == 0.25


def test_an_epoch_that_was_validated_is_not_validated_again(folder, open_record):
    record = open_record(folder, STEP)
    record.end_epoch(2, lambda: pytest.fail("validated twice"))
    assert validated_epochs(record) == [0, 1, 2]


def test_a_new_run_commits_its_first_weights(tmp_path, open_record):
    record = open_record(tmp_path)
    assert (record.step, record.store.saved) == (0, [0])


def test_a_journal_without_a_checkpoint_is_no_new_run(folder, open_record):
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
def test_lost_rows_end_the_run_and_change_nothing(
    folder, open_record, name, change, lost
):
    rewrite(folder / name, change)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(CheckpointError, match=f"{name} holds no row of {lost}"):
        open_record(folder, STEP)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_the_newest_checkpoint_that_the_rows_reach_is_taken(folder, open_record):
    rewrite(folder / "journal.jsonl", lambda rows: rows[:5])
    record = open_record(folder, 6, 4, 2)
    assert record.step == 4
    assert [row["step"] for row in record.journal.read()] == [1, 2, 3, 4]
    assert [row["epoch"] for row in record.history.read()] == [0, 1]


def test_a_checkpoint_of_a_longer_run_is_passed_over(folder, open_record):
    assert open_record(folder, 10**30, 99, STEP).step == STEP


def test_a_checkpoint_named_by_a_huge_number_costs_no_memory(folder, open_record):
    tracemalloc.start()
    try:
        open_record(folder, 5_000_000, STEP)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("damaged", [b'"step: 3', b'"ste0": 3', b'"step": "3"'])
def test_a_damaged_row_does_not_take_those_behind_it_along(
    folder, open_record, damaged
):
    path = folder / "journal.jsonl"
    content = path.read_bytes().replace(b'"step": 3', damaged)
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="journal.jsonl holds no row of step 3"):
        open_record(folder, STEP)
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["journal", "history"])
def test_a_row_that_stands_there_twice_does_no_harm(folder, open_record, name):
    path = folder / f"{name}.jsonl"
    content = path.read_bytes()
    rewrite(path, lambda rows: rows[:2] + rows[1:])
    record = open_record(folder, 8)
    assert [row["step"] for row in record.journal.read()] == list(range(1, 9))
    assert validated_epochs(record) == [0, 1, 2]
    assert len(path.read_bytes().splitlines()) == len(content.splitlines())


@pytest.mark.parametrize(
    ("name", "wrong", "lost"),
    [
        ("journal", {"loss": "low"}, "step 3"),
        ("journal", {"gradient_norm": None}, "step 3"),
        ("journal", {"epoch": "0"}, "step 3"),
        ("journal", {"weight": []}, "step 3"),
        ("history", {"validation": "groups"}, "epoch 2"),
        ("history", {"validation": "test", "top1": 2.0}, "epoch 2"),
        ("history", {"loss": "low"}, "epoch 2"),
        ("history", {"top1": None}, "epoch 2"),
    ],
)
def test_a_row_of_another_type_is_lost(folder, open_record, name, wrong, lost, caplog):
    path = folder / f"{name}.jsonl"
    rewrite(path, lambda rows: [*rows[:2], rows[2] | wrong, *rows[3:]])
    with pytest.raises(CheckpointError, match=f"{name}.jsonl holds no row of {lost}"):
        open_record(folder, 8)
    assert "1 of them, the first in line 3: " in caplog.text


def test_an_epochs_row_is_the_mean_of_its_steps(folder, open_record):
    rewrite(
        folder / "journal.jsonl",
        lambda rows: [{**row, "loss": row["step"]} for row in rows],
    )
    record = open_record(folder, 8)
    record.end_epoch(3, lambda: VALIDATION)
    assert record.history.read()[-1] == {
        "epoch": 3,
        "step": 8,
        "loss": 7.5,
        "accuracy": 0.5,
        **VALIDATION,
    }


def test_every_callback_hears_of_an_epoch_once_its_row_is_written(folder, open_record):
    record, heard = open_record(folder, 8), []
    for callback in record.callbacks:
        callback.after_epoch = lambda row: heard.append(
            row == record.history.read()[-1]
        )
    record.end_epoch(3, lambda: {})
    assert heard == [True] * len(record.callbacks)


def test_an_epoch_shorter_than_a_batch_has_the_mean_of_its_one_step(
    tmp_path, open_record
):
    record = open_record(tmp_path, calendar=Calendar(clips=3, batch_size=8, epochs=3))
    record.journal.append(
        {"step": 1, "loss": 2.0, "accuracy": 0.5, "gradient_norm": 1.0}
    )
    for epoch in (0, 1):
        record.end_epoch(epoch, dict)
    rows = record.history.read()
    assert [(row["step"], row["loss"]) for row in rows] == [(1, 2.0), (1, 2.0)]


def test_the_last_save_is_required(folder, open_record, monkeypatch):
    record, asked = open_record(folder, STEP), []
    monkeypatch.setattr(
        record.saver, "save", lambda step, required: asked.append((step, required))
    )
    record.end()
    assert asked == [(6, True)]
