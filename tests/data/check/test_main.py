"""python -m data.check as a user types it; it imports no TensorFlow."""

import shutil
import subprocess
import sys

import pytest

from tests.data.samples import make_different


@pytest.fixture
def check(repository):
    def check(*arguments, code=0):
        result = subprocess.run(
            [sys.executable, "-m", "data.check", *map(str, arguments)],
            cwd=repository,
            capture_output=True,
            text=True,
        )
        assert result.returncode == code, result.stderr
        return result

    return check


@pytest.fixture
def root(counting_set, tmp_path):
    root = shutil.copytree(counting_set, tmp_path / "set")
    make_different(root)
    return root


@pytest.fixture
def videos(root, tmp_path):
    """Class folders without lists in or beside them."""
    return (root / "UCF-101").rename(tmp_path / "videos")


def test_a_folder_is_described_and_a_page_written(check, videos, tmp_path):
    result = check(videos, f"--html={tmp_path / 'page.html'}")
    lines = result.stdout.splitlines()
    assert lines[0].split() == [
        *("class", "train", "validation", "test", "recordings", "shortest", "median")
    ]
    assert [line.split()[0] for line in lines[1:5]] == ["Jump", "Run", "Walk", "all"]
    assert "<!DOCTYPE html>" in (tmp_path / "page.html").read_text()
    assert (videos / "split.csv").exists()


def test_lists_of_ucf101_are_found(check, root):
    result = check(root)
    assert "has UCF101's lists: data.source=ucf101" in result.stderr
    assert result.stdout.splitlines()[4].split() == ["all", "11", "0", "4", "15"]


def test_a_leak_decides_the_exit_code(check, videos):
    for part, name in (("train", "Jump"), ("train", "Run"), ("test", "Jump")):
        shutil.copytree(videos / name, videos / part / name)
    for name in ("Jump", "Run", "Walk"):
        shutil.rmtree(videos / name)
    result = check(videos, code=3)
    assert result.stdout.count("leak: 'train/Jump/") == 5
    assert "5 videos are both trained on and measured on" in result.stderr


def test_one_folder_is_taken(check, tmp_path):
    assert "One folder of videos" in check(tmp_path, tmp_path, code=2).stderr
    assert "must name the folder of the videos" in check(code=3).stderr
