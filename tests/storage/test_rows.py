"""Rows are whole or absent, exact, and rewound to the step a run restarts from."""

import dataclasses
import itertools
import json
import math
import os
import re

import numpy as np
import pytest

from configs.command.errors import StorageError
from storage.rows import Row, Rows, longest_rising


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


def write(rows, steps):
    for step in range(1, steps + 1):
        rows.append({"step": step, "loss": 1 / step})
    return rows.path.read_bytes()


def test_a_row_is_json_whose_last_field_is_the_crc32_of_what_is_before_it(rows):
    """`printf '{"step": 1, "loss": 0.1' | gzip | tail -c8 | od -tx4` says the same."""
    rows.append({"step": 1, "loss": 0.1})
    assert rows.path.read_bytes() == b'{"step": 1, "loss": 0.1, "crc": "8cfa35d3"}\n'
    rows.append({"step": 2, "loss": math.nan})
    rows.append({"step": 3, "loss": math.inf})
    lines = [json.loads(line) for line in rows.path.open()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    again = Rows(rows.path).read()
    assert again[0] == {"step": 1, "loss": 0.1}
    assert math.isnan(again[1]["loss"]) and again[2]["loss"] == math.inf


@pytest.mark.parametrize("count", [1, 2])
def test_every_flipped_bit_is_noticed(rows, count, caplog):
    """Also of a file with one row, whose checksum might look like none at all."""
    content = write(rows, count)
    whole = rows.read()
    for position in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            rows.path.write_bytes(damaged)
            found = Rows(rows.path).read()
            assert len(found) < count and all(row in whole for row in found), (
                position,
                bit,
            )
            text = "rows.jsonl: damaged or incomplete rows are left out, "
            assert text in caplog.text
            caplog.clear()


def test_a_damaged_row_does_not_take_those_behind_it_along(rows, caplog):
    content = write(rows, 4)
    rows.path.write_bytes(content.replace(b"0.5", b"0.4"))
    again = Rows(rows.path)
    assert [row["step"] for row in again.rewind(9)] == [1, 3, 4]
    assert "1 of them, the first in line 2" in caplog.text
    again.append({"step": 5})
    assert [row["step"] for row in Rows(rows.path).rewind(9)] == [1, 3, 4, 5]


def test_rows_of_an_older_version_get_their_checksum(rows, caplog):
    content = write(rows, 3)
    older = "".join(f"{json.dumps(row)}\n" for row in rows.read())
    rows.path.write_text(older)
    again = Rows(rows.path)
    assert [row["step"] for row in again.rewind(2)] == [1, 2]
    assert "an older version wrote it" in caplog.text
    again.append({"step": 3, "loss": 1 / 3})
    assert rows.path.read_bytes() == content


def test_rows_without_a_checksum_among_others_are_damaged(rows):
    content = write(rows, 2)
    rows.path.write_bytes(content + b'{"step": 3, "loss": 0.5}\n')
    assert [row["step"] for row in Rows(rows.path).read()] == [1, 2]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loss(Row):
    loss: float


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"step": 2}, "missing required field `loss`"),
        ({"step": 2, "loss": "0.5"}, r"Expected `float`, got `str` - at `\$.loss`"),
        ({"step": 2, "loss": None}, r"Expected `float`, got `null` - at `\$.loss`"),
        ({"step": 2, "loss": True}, r"Expected `float`, got `bool` - at `\$.loss`"),
        ({"step": "2", "loss": 0.5}, r"Expected `int`, got `str` - at `\$.step`"),
    ],
)
def test_a_row_of_another_type_is_damaged_whatever_its_checksum(rows, caplog, row, why):
    for each in ({"step": 1, "loss": math.nan}, row, {"step": 3, "loss": 1, "x": "y"}):
        rows.append(each)
    found = Rows(rows.path, Loss).read()
    assert [each["step"] for each in found] == [1, 3] and found[1]["x"] == "y"
    assert re.search(f"1 of them, the first in line 2: .*{why}", caplog.text)


@pytest.mark.parametrize(
    ("steps", "kept", "line"),
    [
        ([1, 2, 2, 3, 4], [1, 2, 3, 4], 3),
        ([1, 2, 1, 2, 3, 4], [1, 2, 3, 4], 3),
        ([10**18, 1, 2, 3], [1, 2, 3], 1),
        ([1, 2, 9, 3, 4], [1, 2, 3, 4], 3),
        ([2, 1, 3], [1, 3], 1),
    ],
)
def test_a_row_out_of_order_is_left_out_alone(rows, caplog, steps, kept, line):
    for step in steps:
        rows.append({"step": step})
    again = Rows(rows.path)
    assert [row["step"] for row in again.rewind(10**19)] == kept
    assert re.search(rf"line {line}: step {steps[line - 1]} is out of", caplog.text)
    again.append({"step": 5})
    caplog.clear()
    assert [row["step"] for row in Rows(rows.path).read()] == [*kept, 5]
    assert "out of order" not in caplog.text


def test_of_two_rows_of_a_step_the_first_counts(rows):
    for step, loss in ((1, 0.1), (2, 0.2), (2, 0.3), (3, 0.4)):
        rows.append({"step": step, "loss": loss})
    assert [row["loss"] for row in Rows(rows.path).read()] == [0.1, 0.2, 0.4]


def test_rows_may_be_numbered_by_another_field(rows):
    """A short epoch may end with the step of the one before."""
    for epoch, step in ((0, 1), (1, 1), (1, 1), (2, 3)):
        rows.append({"step": step, "epoch": epoch})
    again = Rows(rows.path, key="epoch").read()
    assert [row["epoch"] for row in again] == [0, 1, 2]


@pytest.mark.parametrize("seed", range(20))
def test_as_few_rows_as_can_be_are_out_of_order(seed):
    """By every subset of a few numbers."""
    numbers = np.random.default_rng(seed).integers(0, 6, 9).tolist()
    rising = [
        subset
        for size in range(len(numbers) + 1)
        for subset in itertools.combinations(numbers, size)
        if all(a < b for a, b in itertools.pairwise(subset))
    ]
    found = [numbers[position] for position in longest_rising(numbers)]
    assert tuple(found) in rising and len(found) == max(map(len, rising))


@pytest.mark.parametrize(
    "line",
    [
        '{"step": -1}',
        '{"step": true}',
        '{"step": 1.5}',
        '{"step": "1"}',
        '{"loss": 1}',
        '{"step": 1, "loss": [1]}',
        '{"step": 1, "loss": NaN, "more": {}}',
        "[1]",
        "1",
        "[" * 100_000,
    ],
)
def test_what_is_no_row_is_damaged(rows, line):
    rows.path.write_text(line + "\n")
    assert Rows(rows.path).read() == []


@pytest.mark.parametrize("change", ["removed", "another", "shortened", "folder moved"])
def test_a_file_that_was_exchanged_is_not_written_to(tmp_path, change):
    """Another run may write there now; a hole must not take the place of rows."""
    folder = tmp_path / "run"
    folder.mkdir()
    rows = Rows(folder / "rows.jsonl")
    rows.append({"step": 1})
    content = rows.path.read_bytes()
    if change == "shortened":
        os.truncate(rows.path, 3)
    elif change == "folder moved":
        folder.rename(tmp_path / "elsewhere")
    else:
        rows.path.rename(tmp_path / "kept")
        if change == "another":
            rows.path.write_bytes(2 * content)
    there = rows.path.read_bytes() if rows.path.exists() else None

    for write in (lambda: rows.append({"step": 2}), rows.sync):
        with pytest.raises(StorageError, match="moved, removed or shortened"):
            write()
    assert there == (rows.path.read_bytes() if rows.path.exists() else None)


def test_a_file_that_was_rewound_is_written_to(tmp_path):
    rows = Rows(tmp_path / "rows.jsonl")
    for step in (1, 2, 3):
        rows.append({"step": step})
    rows.rewind(1)
    rows.append({"step": 2})
    rows.sync()
    assert [row["step"] for row in Rows(rows.path).read()] == [1, 2]
