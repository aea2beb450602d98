"""Files and folders appear whole or not at all."""

import functools
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from configs.command.errors import ConfigError, LockedError, StorageError
from storage import files
from storage.files import (
    clear_asides,
    read_json,
    remove_atomically,
    sha256,
    write_atomically,
    write_together,
    written_aside,
)


def test_output_appears_whole(tmp_path):
    with written_aside(tmp_path / "deep" / "folder") as path:
        path.mkdir()
        (path / "file").write_text("text")
        assert not (tmp_path / "deep" / "folder").exists()
    assert (tmp_path / "deep" / "folder" / "file").read_text() == "text"
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_nothing_stays_behind_on_failure(tmp_path):
    with pytest.raises(KeyError), written_aside(tmp_path / "file") as path:
        path.write_text("half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_refuses_to_overwrite(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="must not exist"):
        with written_aside(tmp_path / "file"):
            pass
    assert (tmp_path / "file").read_text() == "mine"


def test_hash_is_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"bytes" * 1000)
    expected = hashlib.sha256(b"bytes" * 1000).hexdigest()
    assert sha256(tmp_path / "file") == expected


def test_a_replaced_file_is_the_new_one(tmp_path):
    write_atomically(tmp_path / "file", "old")
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, "old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError()))
    with pytest.raises(StorageError, match="file could not be written"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_everything_is_on_the_disk_before_the_name_appears(tmp_path, monkeypatch):
    done, replace = [], os.replace
    monkeypatch.setattr(files, "sync", lambda path: done.append(path.name))
    monkeypatch.setattr(
        os, "replace", lambda *names: (done.append("renamed"), replace(*names))
    )
    with written_aside(tmp_path / "folder") as path:
        path.mkdir()
        (path / "file").write_text("text")
    assert done == ["file", path.name, "renamed", tmp_path.name]


def test_what_is_no_json_object_is_named(tmp_path):
    assert read_json(tmp_path / "absent.json") == {}
    for content in (b"{", b"[]", b"\xff"):
        (tmp_path / "x.json").write_bytes(content)
        with pytest.raises(ConfigError, match="x.json must be as the run wrote it"):
            read_json(tmp_path / "x.json")


def test_a_folder_is_removed_whole_or_not_at_all(tmp_path, monkeypatch):
    """Killed in between, it is there under a name that the next writer clears away."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").touch()
    with monkeypatch.context() as context:
        context.setattr(files.shutil, "rmtree", lambda path: None)
        remove_atomically(folder)
    (left,) = tmp_path.iterdir()
    assert left.name != "folder" and (left / "file").exists()
    clear_asides(tmp_path, "another".__eq__)
    assert left.exists()
    clear_asides(tmp_path, "folder".__eq__)
    assert list(tmp_path.iterdir()) == []


# Says "ready" while it writes what its argument names, and goes on when told to.
WRITER = """
import sys
from pathlib import Path
from storage import files
target = Path(sys.argv[1])

def wait():
    print("ready", flush=True)
    sys.stdin.read(1)

if sys.argv[2] == "folder":
    with files.written_aside(target) as aside:
        aside.mkdir()
        (aside / "file").write_text("theirs")
        wait()
else:
    original = files._fill
    files._fill = lambda *arguments: (original(*arguments), wait())
    files.write_atomically(target, "theirs")
"""


@pytest.fixture
def writer(repository):
    """Starts processes that are in the middle of writing something."""
    processes = []

    def writer(target, kind):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, target, kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(repository)},
            text=True,
        )
        processes.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield writer
    for process in processes:
        process.kill()
        process.communicate()


def test_two_writers_of_one_output(tmp_path, writer):
    """The second is refused at once, as is one whose output appears meanwhile."""
    first = writer(tmp_path / "out", "folder")
    with pytest.raises(LockedError, match=f"process {first.pid}; wait for it"):
        with written_aside(tmp_path / "out"):
            pass
    first.communicate("x")
    assert first.returncode == 0
    assert (tmp_path / "out" / "file").read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with pytest.raises(ConfigError, match="must not exist"):
        with written_aside(tmp_path / "late") as aside:
            aside.touch()
            (tmp_path / "late").write_text("mine")
    assert (tmp_path / "late").read_text() == "mine"


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_a_killed_writer_left_is_cleared_and_what_a_live_one_writes_is_not(
    tmp_path, writer, kind
):
    number = "d41d8cd98f00b204e9800998ecf8427e"
    users = {"mine.tmp", ".mine.tmp", ".mine.0123.tmp", ".mine.claim"}
    users |= {f".thesis.docx.{number}.tmp", f".photos.{number}.tmp"}
    for name in users:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".gone.claim").write_text("host, process 7")  # Killed just before.
    live = writer(tmp_path / "live", kind)
    killed = writer(tmp_path / "killed", kind)
    killed.kill()
    killed.wait()
    # Another output in the same folder, and the next version of the same file.
    with written_aside(tmp_path / "another") as aside:
        aside.touch()
    if kind == "file":
        write_atomically(tmp_path / "live", "ours")
    left = {path.name for path in tmp_path.iterdir()} - users - {"another", "live"}
    assert left and all(name.startswith(".live.") for name in left)
    live.communicate("x")
    assert live.returncode == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == users | {"another", "live"}
    content = tmp_path / "live" / "file" if kind == "folder" else tmp_path / "live"
    assert content.read_text() == "theirs"


def test_the_same_output_begun_again_clears_what_the_killed_one_left(tmp_path, writer):
    killed = writer(tmp_path / "out", "folder")
    killed.kill()
    killed.wait()
    with written_aside(tmp_path / "out") as aside:
        aside.mkdir()
        assert len(list(tmp_path.iterdir())) == 2  # This folder and its claim.
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_files_that_belong_together_are_never_mixed(tmp_path, monkeypatch):
    """Stopped before any step, the last file is absent or tells of the others."""
    old = {"a": "old", "b": "old", "last": "old"}
    new = {"a": "new", "b": "new", "last": "new"}
    steps = 0
    while steps is not None:
        folder = tmp_path / str(steps)
        write_together(folder, old)
        left = [steps]

        def step(original, *arguments, left=left):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return original(*arguments)

        with monkeypatch.context() as context:
            for name in ("replace", "unlink", "fsync"):
                original = getattr(os, name)
                context.setattr(os, name, functools.partial(step, original))
            context.setattr(Path, "unlink", lambda path: os.unlink(path))
            try:
                write_together(folder, new)
                steps = None
            except KeyboardInterrupt:
                steps += 1
        found = {path.name: path.read_text() for path in folder.glob("[!.]*")}
        assert "last" not in found or found in (old, new)
    assert found == new and len(os.listdir(tmp_path)) > 6


def test_a_file_that_belies_the_new_ones_goes_with_the_old(tmp_path, monkeypatch):
    old, new = {"picture": "1", "last": "1"}, {"picture": None, "last": "2"}
    write_together(tmp_path, old)
    with monkeypatch.context() as context:
        context.setattr("storage.files._fill", lambda *_: os.write(-1, b"full"))
        with pytest.raises(StorageError):
            write_together(tmp_path, new)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == old
    for _ in range(2):
        write_together(tmp_path, new)
        assert [path.name for path in tmp_path.iterdir()] == ["last"]


def test_without_locks_outputs_are_written_and_nothing_is_cleared(
    tmp_path, writer, monkeypatch
):
    """As on some network file systems."""
    killed = writer(tmp_path / "out", "folder")
    killed.kill()
    killed.wait()
    before = set(tmp_path.iterdir())

    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with written_aside(tmp_path / "folder") as aside:
        aside.mkdir()
    write_atomically(tmp_path / "file", "text")
    assert set(tmp_path.iterdir()) - before == {tmp_path / "folder", tmp_path / "file"}
    assert before <= set(tmp_path.iterdir())
