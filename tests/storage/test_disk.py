"""A disk that is full or slow is found, and nothing is left on it."""

import errno
import itertools
import os
import shutil
import types

import pytest

from storage.disk import check_disk


def verdicts(findings):
    return [finding.verdict for finding in findings]


def test_a_good_disk_is_ok_and_stays_as_it_was(tmp_path):
    clock = itertools.count(step=0.01).__next__
    found = list(check_disk(tmp_path / "not" / "there", 1e3, clock))
    assert verdicts(found) == ["ok", "ok"]
    assert "after 10.0 ms" in found[1].text
    assert list(tmp_path.iterdir()) == []


def test_too_little_room_is_wrong(tmp_path, monkeypatch):
    usage = types.SimpleNamespace(free=2_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert verdicts(check_disk(tmp_path, 1_999_999_999))[0] == "ok"
    found = next(iter(check_disk(tmp_path, 2_000_000_001)))
    assert found.is_wrong and "2.0 GB free" in found.text


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_is_wrong(tmp_path, monkeypatch, call):
    def full(*_, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr("storage.disk.tempfile.NamedTemporaryFile", full)
    (found,) = check_disk(tmp_path, 0)
    assert found.is_wrong and "No space left on device" in found.text
    assert list(tmp_path.iterdir()) == []


def test_a_slow_disk_is_wrong(tmp_path):
    clock = itertools.count(step=1.5).__next__
    assert verdicts(check_disk(tmp_path, 0, clock)) == ["ok", "WRONG"]


def test_a_folder_that_may_not_be_written_is_wrong():
    (found,) = check_disk("/proc/run", 0)
    assert found.is_wrong and "another --workdir" in found.text
