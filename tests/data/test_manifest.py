import json
import os

import pytest

from data.manifest import NAME, Manifest
from data.source import Video

VIDEO = Video(frames=3, height=4, width=5, rate=25.0, codec="MJPG", promised=4)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "set" / "a.avi"
    path.parent.mkdir()
    path.write_bytes(b"video")
    return path


def saved(file):
    manifest = Manifest(file.parent)
    manifest.put(file, VIDEO)
    manifest.save()
    return manifest


def test_manifest_lies_beside_the_data_and_is_read_again(file):
    saved(file)

    assert Manifest(file.parent).get(file) == VIDEO
    assert sorted(os.listdir(file.parent)) == ["a.avi", NAME]


def test_directory_may_move(file, tmp_path):
    saved(file)
    moved = file.parent.rename(tmp_path / "elsewhere")

    assert Manifest(moved).get(moved / "a.avi") == VIDEO


def test_changed_file_is_unknown(file):
    saved(file)
    file.write_bytes(b"another")
    assert Manifest(file.parent).get(file) is None

    file.write_bytes(b"video")
    os.utime(file, (1, 1))
    assert Manifest(file.parent).get(file) is None


def test_file_that_is_gone_is_unknown(file):
    saved(file)
    file.unlink()

    assert Manifest(file.parent).get(file) is None


def test_read_only_directory_is_remembered_in_the_cache(file, monkeypatch):
    beside, cached = Manifest(file.parent).places
    # Root may write anywhere, so a folder stands where the file would be.
    beside.mkdir()

    saved(file)

    assert cached.is_file()
    assert Manifest(file.parent).get(file) == VIDEO


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"version": 1, "videos": {"a.avi": {}}}', "\0"],
)
def test_damaged_manifest_counts_as_none(file, content):
    saved(file).places[0].write_text(content)

    manifest = Manifest(file.parent)
    assert manifest.get(file) is None
    manifest.put(file, VIDEO)
    manifest.save()
    assert Manifest(file.parent).get(file) == VIDEO


def test_manifest_of_another_version_counts_as_none(file):
    place = saved(file).places[0]
    place.write_text(json.dumps(json.loads(place.read_text()) | {"version": 0}))

    assert Manifest(file.parent).get(file) is None
