import json
import os

import pytest

from data.scan import ScanCache, Video
from data.scan.cache import SCAN_FILE, VERSION

VIDEO = Video(frames=3, height=4, width=5, fps=25.0, codec="MJPG", header_frames=4)


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "set" / "a.avi"
    path.parent.mkdir()
    path.write_bytes(b"video")
    return path


def saved(file):
    cache = ScanCache(file.parent)
    cache.put(file, VIDEO)
    cache.save()
    return cache


def test_cache_lies_beside_the_data_and_is_read_again(file):
    saved(file)

    assert ScanCache(file.parent).get(file) == VIDEO
    assert sorted(os.listdir(file.parent)) == ["a.avi", SCAN_FILE]


def test_directory_may_move(file, tmp_path):
    saved(file)
    moved = file.parent.rename(tmp_path / "elsewhere")

    assert ScanCache(moved).get(moved / "a.avi") == VIDEO


def test_changed_file_is_unknown(file):
    saved(file)
    file.write_bytes(b"another")
    assert ScanCache(file.parent).get(file) is None

    file.write_bytes(b"video")
    os.utime(file, (1, 1))
    assert ScanCache(file.parent).get(file) is None


def test_file_that_is_gone_is_unknown(file):
    saved(file)
    file.unlink()

    assert ScanCache(file.parent).get(file) is None


def test_read_only_directory_is_remembered_in_the_users_folder(file, monkeypatch):
    beside, cached = ScanCache(file.parent).paths
    # Root may write anywhere, so a folder stands where the file would be.
    beside.mkdir()

    saved(file)

    assert cached.is_file()
    assert ScanCache(file.parent).get(file) == VIDEO


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "{}", "\0"),
        f'{{"version": {VERSION}, "videos": {{"a.avi": {{}}}}}}',
    ],
)
def test_damaged_cache_counts_as_none(file, content):
    saved(file).paths[0].write_text(content)

    cache = ScanCache(file.parent)
    assert cache.get(file) is None
    cache.put(file, VIDEO)
    cache.save()
    assert ScanCache(file.parent).get(file) == VIDEO


def test_cache_of_another_version_counts_as_none_silently(file, caplog):
    path = saved(file).paths[0]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": VERSION - 1}))

    assert ScanCache(file.parent).get(file) is None
    assert not caplog.records
