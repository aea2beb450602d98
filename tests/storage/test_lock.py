"""One process at a time may write to a folder."""

import fcntl
import os
import subprocess
import sys

import pytest

from configs.command.errors import LockedError, StorageError
from storage import lock
from storage.lock import is_signed, locked, signature


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "run"
    with locked(folder):
        (folder / "file").write_text("text")
        yield folder


def snapshot(path):
    """Every file's bytes and times."""
    return {
        file: (file.read_bytes(), file.stat().st_mtime_ns)
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


def test_a_second_writer_is_refused_and_changes_nothing(folder):
    before = snapshot(folder)
    with pytest.raises(LockedError, match=f"process {os.getpid()}"):
        with locked(folder):
            pass
    assert snapshot(folder) == before


def test_the_lock_dies_with_a_killed_holder(tmp_path):
    code = (
        "import os, signal, sys\n"
        "import pathlib\n"
        "from storage.lock import locked\n"
        "with locked(pathlib.Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    result = subprocess.run([sys.executable, "-c", code, tmp_path / "run"], check=False)
    assert result.returncode == -9
    with locked(tmp_path / "run"):
        pass


def test_a_file_system_without_locks_is_refused(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StorageError, match="can lock files: .*not supported"):
        with locked(tmp_path / "run"):
            pass


def test_the_lock_is_waited_for(tmp_path, repository):
    """Another process gets it when this one leaves it, and not before."""
    code = (
        "import math, pathlib; from storage.lock import locked\n"
        "print('ready', flush=True)\n"
        f"with locked(pathlib.Path({str(tmp_path)!r}), wait=math.inf):\n"
        "    print('mine', flush=True)"
    )
    with locked(tmp_path):
        other = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=repository,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert other.stdout.readline() == "ready\n"
        assert other.poll() is None
        (tmp_path / "left").touch()
    assert other.stdout.readline() == "mine\n"
    assert other.wait() == 0


def test_waiting_for_the_lock_is_told_and_ends(folder, monkeypatch, caplog):
    monkeypatch.setattr(lock, "PAUSE", 0.0)
    waited = []
    with pytest.raises(LockedError, match=f"process {os.getpid()}; wait"):
        with locked(folder, wait=0.1, meanwhile=lambda: waited.append(1)):
            pass
    assert waited
    (line,) = [r.getMessage() for r in caplog.records if "waiting" in r.getMessage()]
    assert f"process {os.getpid()}: waiting for 0.00166667 minutes at most." in line


def test_one_that_need_not_wait_does_not(folder):
    with pytest.raises(LockedError):
        with locked(folder, meanwhile=pytest.fail):
            pass


def test_every_lock_has_a_signature_of_its_own(tmp_path):
    """Also of one process after the other with the same id, as in new containers."""
    signatures = set()
    for _ in range(2):
        with locked(tmp_path) as signed:
            assert signature(tmp_path) == signed and is_signed(signed.encode())
            signatures.add(signed)
    assert len(signatures) == 2
    assert is_signed(b"host, process 1")  # As an older version signed.


def test_a_lock_that_cannot_be_signed_says_so(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with locked(tmp_path):
        pass
    monkeypatch.setattr(os, "pwrite", full)
    with locked(tmp_path) as signed:
        assert signed == ""
