"""Rows are whole or absent, exact, and rewound to the step a run restarts from."""

import os

import pytest

from configs.command.errors import StorageError
from storage.rows import Rows


@pytest.fixture
def rows(tmp_path):
    return Rows(tmp_path / "rows.jsonl")


def test_floats_read_back_exactly(rows):
    values = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308]
    for step, value in enumerate(values):
        rows.append({"step": step, "value": value})
    assert [row["value"] for row in rows.read()] == values


def test_rewinding_drops_later_rows_and_appending_goes_on(rows):
    for step in range(1, 6):
        rows.append({"step": step})
    again = Rows(rows.path)
    assert [row["step"] for row in again.rewind(3)] == [1, 2, 3]
    again.append({"step": 4})
    assert [row["step"] for row in again.read()] == [1, 2, 3, 4]


@pytest.mark.parametrize("torn", [b'{"st', b'{"step": 3}', b"\xff\xfe\n"])
def test_a_torn_last_row_is_dropped(rows, torn):
    rows.append({"step": 1})
    rows.append({"step": 2})
    with open(rows.path, "ab") as file:
        file.write(torn)
    again = Rows(rows.path)
    assert [row["step"] for row in again.rewind(9)] == [1, 2]
    again.append({"step": 3})
    assert [row["step"] for row in again.read()] == [1, 2, 3]


def full_disk():
    raise OSError(28, "No space left on device")


def test_rows_of_a_full_disk_wait_and_follow_later(rows, monkeypatch):
    rows.append({"step": 1})
    monkeypatch.setattr(rows, "_write", full_disk)
    rows.append({"step": 2})
    assert [row["step"] for row in rows.read()] == [1, 2]
    assert [row["step"] for row in Rows(rows.path).read()] == [1]
    with pytest.raises(StorageError, match="rows.jsonl could not be written.*No space"):
        rows.sync()
    monkeypatch.undo()
    rows.append({"step": 3})
    rows.sync()
    assert [row["step"] for row in Rows(rows.path).read()] == [1, 2, 3]


def test_a_row_written_in_part_is_cut_off_again(rows, monkeypatch):
    """The kernel may take half of a row before it says that the disk is full."""
    rows.append({"step": 1})
    rows._write, write = lambda: None, rows._write
    rows.append({"step": 2})
    with open(rows.path, "ab") as file:
        file.write(b'{"ste')
    rows._write = write
    rows.append({"step": 3})
    assert [row["step"] for row in rows.read()] == [1, 2, 3]


def test_rewinding_a_missing_file_makes_none(rows):
    assert rows.rewind(0) == []
    assert not os.path.exists(rows.path)
