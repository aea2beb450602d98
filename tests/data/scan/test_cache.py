import json
import os

import pytest

from data.scan import ScanCache, Video
from data.scan.cache import SCAN_FILE, state_of

VIDEO = Video(
    frames=3,
    height=4,
    width=5,
    decoded_height=4,
    decoded_width=5,
    fps=25.0,
    codec="MJPG",
    header_frames=4,
    first_stamp=-3,
    stamp_step=0.5,
)


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
    cache.put(file, VIDEO, state=state_of(file))
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


def test_file_that_changes_while_it_is_scanned_is_not_remembered(file):
    cache, state = ScanCache(file.parent), state_of(file)
    file.write_bytes(b"the rest has come")
    cache.put(file, VIDEO, state=state)

    assert cache.get(file) is None


def test_cache_that_anyone_may_write_is_not_believed(file, caplog):
    saved(file).paths[0].chmod(0o666)

    assert ScanCache(file.parent).get(file) is None
    assert "anyone may write" in caplog.text


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


WRONG_FACTS = {
    "less than no height": {"height": -1},
    "half a frame": {"frames": 2.5},
    "text": {"frames": "3"},
    "a bad video with frames": {"reason": "is empty"},
    "frames without a size": {"width": 0},
    "no such decoder": {"decoder": "ffmpeg"},
    "time that goes back": {"stamp_step": -1},
    "rate below 0": {"fps": -1},
}


@pytest.mark.parametrize("facts", WRONG_FACTS.values(), ids=WRONG_FACTS)
def test_cache_that_contradicts_itself_counts_as_none(file, facts, caplog):
    path = saved(file).paths[0]
    content = json.loads(path.read_text())
    content["videos"]["a.avi"]["video"] |= facts
    path.write_text(json.dumps(content))

    assert ScanCache(file.parent).get(file) is None
    assert "$.videos" in caplog.text and caplog.text.count("\n") == 1


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "\0", "[" * 100_000])
def test_damaged_cache_counts_as_none(file, content):
    saved(file).paths[0].write_text(content)

    cache = ScanCache(file.parent)
    assert cache.get(file) is None
    cache.put(file, VIDEO, state=state_of(file))
    cache.save()
    assert ScanCache(file.parent).get(file) == VIDEO


@pytest.mark.parametrize("library", ["OpenCV", "PyAV", "PyAV's FFmpeg", "rules"])
def test_cache_of_other_decoders_counts_as_none_silently(file, caplog, library):
    path = saved(file).paths[0]
    content = json.loads(path.read_text())
    content["by"][library] += ".1"
    path.write_text(json.dumps(content))

    assert ScanCache(file.parent).get(file) is None
    assert not caplog.records


def test_cache_of_another_user_is_neither_believed_nor_replaced(
    file, monkeypatch, caplog
):
    beside, own = saved(file).paths
    content = beside.read_text()
    monkeypatch.setattr("os.geteuid", lambda: os.stat(beside).st_uid + 1)

    cache = ScanCache(file.parent)
    assert cache.get(file) is None
    assert "another user" in caplog.text
    cache.put(file, VIDEO, state=state_of(file))
    cache.save()
    assert beside.read_text() == content
    assert own.is_file()


@pytest.mark.parametrize("name", ["b\udcff.avi", "b\\xff.avi", "été 東京.avi"])
def test_name_may_be_of_any_bytes(file, name):
    other = file.rename(file.with_name(name))
    saved(other)

    assert ScanCache(file.parent).get(other) == VIDEO
    for alike in ("b\udcff.avi", "b\\xff.avi"):
        if alike != name:
            file.with_name(alike).write_bytes(b"video")
            assert ScanCache(file.parent).get(file.with_name(alike)) is None
