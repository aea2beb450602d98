import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def run(repository):
    """Runs `python -m data.NAME` with arguments; standard output and error."""

    def run(name, *arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", f"data.{name}", *map(str, arguments)],
            cwd=repository,
            env=os.environ | {"COLUMNS": "80"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        return done.stdout, done.stderr

    return run


def test_packs_ucf101_and_checks_it(counting_set, tmp_path, run):
    out = tmp_path / "packed"
    shown, _ = run("pack", counting_set, out)
    lines = [line.rsplit(maxsplit=1) for line in shown.splitlines()]
    assert lines[:3] == [["videos", "15"], ["of them bad", "0"], ["shards", "1"]]
    assert json.loads((out / "index.json").read_text())["source"] == "ucf101"
    flags = "--data.source=array_record", "--data.validation=none"
    # Some videos show the same: what leaks in the files leaks in the records.
    there, _ = run("check", out, *flags, code=3)
    assert "leak: " in there and there == run("check", counting_set, code=3)[0]
    scanned, _ = run("scan", out, "--source=array_record")
    assert scanned == run("scan", counting_set)[0]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "needs the folder that it is to write"),
        (("{root}", "{out}", "more"), "One folder of videos must be named"),
        (("{packed}", "{out}", "--data.source=array_record"), "packed already"),
        (("gone", "{out}"), "data.root must be a directory"),
        (("{root}", "gs://bucket/packed"), "must be a folder here"),
        (("{root}", "{out}", "--data.split=2"), "testlist02.txt"),
    ],
)
def test_what_cannot_be_packed_is_refused(
    counting_set, tmp_path, run, arguments, message
):
    packed = tmp_path / "packed"
    packed.mkdir()
    (packed / "index.json").touch()
    places = {"root": counting_set, "packed": packed, "out": tmp_path / "out"}
    arguments = [text.format(**places) for text in arguments]
    code = 3 if {"gone", "--data.split=2"} & set(arguments) else 2
    _, told = run("pack", *arguments, code=code)
    assert message in told and "Error: " in told.splitlines()[-1]
    assert not (tmp_path / "out").exists()
