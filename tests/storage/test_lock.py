"""One process at a time may write to a folder."""

import fcntl
import os
import subprocess
import sys

import pytest

from configs.command.errors import LockedError, StorageError
from storage.lock import locked


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
        "import pathlib; from storage.lock import locked\n"
        "print('ready', flush=True)\n"
        f"with locked(pathlib.Path({str(tmp_path)!r}), wait=True):\n"
        "    print('mine', flush=True)"
    )
    with locked(tmp_path, wait=True):
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
