"""A manifest tells every change of its files, and leads nowhere else."""

import hashlib
import json

import pytest

from storage.manifests import File, difference, read_manifest, to_manifest


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_bytes(b"one")
    (folder / "deep" / "b").write_bytes(b"")
    (tmp_path / "manifest.json").write_text(to_manifest(folder, ["a", "deep/b"]))
    return folder


def test_lists_sizes_and_hashes(folder):
    files = read_manifest(folder.parent / "manifest.json")
    assert files == {
        "a": File(3, hashlib.sha256(b"one").hexdigest()),
        "deep/b": File(0, hashlib.sha256(b"").hexdigest()),
    }
    assert difference(folder, files) is None


def test_tells_what_changed(folder):
    files = read_manifest(folder.parent / "manifest.json")
    (folder / "a").write_bytes(b"onf")
    assert difference(folder, files) == "a does not match its SHA-256"
    (folder / "a").write_bytes(b"ones")
    assert difference(folder, files) == "a has 4 of 3 bytes"
    (folder / "a").unlink()
    with pytest.raises(FileNotFoundError):
        difference(folder, files)
    (folder.parent / "elsewhere").write_bytes(b"one")
    (folder / "a").symlink_to(folder.parent / "elsewhere")
    assert difference(folder, files) is not None


@pytest.mark.parametrize("name", ["", ".", "..", "/a", "a/../../b", "../a", "a\0"])
def test_a_name_that_leads_out_is_refused(tmp_path, name):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({name: {"bytes": 0, "sha256": "0" * 64}}))
    with pytest.raises(ValueError, match="not in its folder"):
        read_manifest(path)
