"""What each start of a run computed with is kept, and a change is said."""

import json

import pytest

from storage.starts import note_start, read_starts

FACTS = {
    "step": 0,
    "versions": {"numpy": "2.4.6", "tensorflow": "2.21.0"},
    "devices": ["GPU:0 (A)"],
    "host": "here",
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "starts.jsonl"


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_start_has_a_row(path, caplog):
    note_start(path, FACTS)
    note_start(path, FACTS | {"step": 5, "host": "elsewhere"})
    assert [(row["step"], row["host"]) for row in rows(path)] == [
        (0, "here"),
        (5, "elsewhere"),
    ]
    assert all(row["time"].endswith("+00:00") for row in rows(path))
    assert caplog.text == ""
    assert read_starts(path) == rows(path)


def test_other_versions_and_devices_are_one_line_of_the_log(path, caplog):
    note_start(path, FACTS)
    versions = {"numpy": "2.5.0", "tensorflow": "2.21.0"}
    devices = ["GPU:0 (B)", "GPU:1 (B)"]
    note_start(path, FACTS | {"versions": versions, "devices": devices})
    (message,) = caplog.messages
    assert message == (
        "This start differs from the one before: devices was GPU:0 (A), is GPU:0 (B), "
        "GPU:1 (B); versions.numpy was 2.4.6, is 2.5.0."
    )


@pytest.mark.parametrize("torn", [b'{"step": 1, "ver', b"\xff\xfe", b"[1]\n", b"\n\n"])
def test_a_damaged_row_is_passed_over(path, caplog, torn):
    note_start(path, FACTS)
    with open(path, "ab") as file:
        file.write(torn)
    note_start(path, FACTS | {"devices": []})
    assert "devices was GPU:0 (A), is ." in caplog.text
    assert len(read_starts(path)) == 2
    assert json.loads(path.read_bytes().splitlines()[-1])["devices"] == []


def test_without_a_file_there_are_no_rows(path):
    assert read_starts(path) == []


def test_a_run_does_not_depend_on_it(tmp_path, caplog):
    path = tmp_path / "starts.jsonl"
    path.mkdir()
    note_start(path, FACTS)
    assert "starts.jsonl cannot be kept" in caplog.text
