"""Files and folders appear whole or not at all."""

import hashlib
import os

import pytest

from configs.command.errors import ConfigError, StorageError
from storage import files
from storage.files import (
    clear_asides,
    read_json,
    remove_atomically,
    sha256,
    write_atomically,
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
