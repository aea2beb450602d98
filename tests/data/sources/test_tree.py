import os

import pytest

from configs.command.errors import DataError
from data.sources.tree import find_videos


@pytest.fixture
def tree(tmp_path):
    """Makes empty files below a folder; returns the folder."""

    def tree(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return tree


@pytest.fixture(autouse=True)
def told(caplog):
    caplog.set_level("INFO")


def found(root):
    return [(video.name, video.class_name, video.split) for video in find_videos(root)]


def test_videos_at_any_depth_belong_to_their_first_folder(tree):
    root = tree("b/x.MP4", "a/deep/er/y.webm", "a/z.mkv", "a/z.avi")
    assert found(root) == [
        ("a/deep/er/y.webm", "a", ""),
        ("a/z.avi", "a", ""),
        ("a/z.mkv", "a", ""),
        ("b/x.MP4", "b", ""),
    ]
    video = find_videos(root)[0]
    assert video.path == str(root / "a/deep/er/y.webm")


def test_folders_around_all_classes_are_passed_through(tree, caplog):
    root = tree("videos/UCF-101/a/x.avi", "videos/UCF-101/b/y.avi", "notes/z.txt")
    assert found(root) == [
        ("videos/UCF-101/a/x.avi", "a", ""),
        ("videos/UCF-101/b/y.avi", "b", ""),
    ]
    assert "Classes are the folders of videos/UCF-101." in caplog.text


@pytest.mark.parametrize("around", ["", "set/"])
def test_folders_of_splits_are_splits(tree, around):
    names = [f"{around}{name}" for name in ("train/a/x.avi", "Val/a/x.avi")]
    root = tree(*names, f"{around}test/b/s/y.avi")
    assert sorted(row[1:] for row in found(root)) == [
        ("a", "train"),
        ("a", "validation"),
        ("b", "test"),
    ]


def test_one_folder_called_train_is_passed_through(tree):
    assert {row[1:] for row in found(tree("train/a/x.avi", "train/b/y.avi"))} == {
        ("a", ""),
        ("b", ""),
    }


@pytest.mark.parametrize(
    "names",
    [
        ("train/a/x.avi", "test/a/y.avi", "other/a/z.avi"),
        ("train/a/x.avi", "val/a/y.avi", "validation/a/z.avi"),
    ],
)
def test_splits_beside_something_else_are_refused(tree, names):
    with pytest.raises(DataError, match="or one folder each for train, val and test"):
        find_videos(tree(*names))


def test_what_is_not_used_is_said(tree, caplog):
    root = tree("a/x.avi", "a/._x.avi", "b/y.avi", "b/y.srt", "b/README", "loose.avi")
    assert [row[0] for row in found(root)] == ["a/x.avi", "b/y.avi"]
    assert "hidden 1" in caplog.text
    assert ".srt 1" in caplog.text
    assert "no ending 1" in caplog.text
    assert "1 videos are not used, as they lie in no class folder" in caplog.text


def test_links_are_followed_but_not_round(tree, tmp_path, caplog):
    root = tree("root/a/x.avi", "root/b/y.avi", "elsewhere/z.avi") / "root"
    (root / "a" / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "b" / "round").symlink_to(root)
    (root / "b" / "itself.avi").symlink_to("itself.avi")
    assert [row[0] for row in found(root)] == [
        *("a/linked/z.avi", "a/x.avi", "b/itself.avi", "b/y.avi")
    ]
    assert "links that lead back 1" in caplog.text


def test_names_of_any_bytes_and_accents_of_both_kinds(tree):
    root = tree("Cafe\N{COMBINING ACUTE ACCENT}/x.avi", "b/y\\z.avi")
    path = os.path.join(os.fsencode(root), b"b", b"\xff.avi")
    open(path, "wb").close()
    assert found(root) == [
        ("Cafe\N{COMBINING ACUTE ACCENT}/x.avi", "Café", ""),
        ("b/\\xff.avi", "b", ""),
        ("b/y\\\\z.avi", "b", ""),
    ]
    assert all(os.path.exists(video.path) for video in find_videos(root))


def test_classes_that_differ_in_case_alone_are_refused(tree):
    with pytest.raises(DataError, match="received 'Jump' and 'jump'"):
        find_videos(tree("Jump/x.avi", "jump/y.avi"))


def test_a_folder_without_videos_says_which_endings_there_are(tree):
    with pytest.raises(DataError, match=r"no video in any folder \(1 outside.*\.mp4"):
        find_videos(tree("x.avi", "a/y.txt"))


def test_a_folder_that_cannot_be_listed_is_named(tree, monkeypatch):
    root = tree("a/x.avi", "b/y.avi")
    scandir = os.scandir

    def refuse(folder):
        if str(folder).endswith("b"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="b cannot be listed: Permission denied"):
        find_videos(root)
