import shutil

import pytest

from configs.command.errors import DataError, StorageError
from configs.schema import Data
from data.sources.folder import list_folder
from data.sources.frozen_split import read_split
from tests.data.samples import CLASSES
from tests.data.streams import assert_same, open_set, train

SOURCE = {"source": "folder", "validation": "split"}


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Data(root=str(root), **SOURCE)


def ten(*classes):
    return [f"{name}/{n}.mp4" for name in classes for n in range(10)]


def test_a_folder_is_divided_and_the_split_is_kept(tmp_path, caplog):
    caplog.set_level("INFO")
    listing = list_folder(touch(tmp_path, *ten("b", "a")))
    assert listing.class_names == ("a", "b")
    assert (listing.train_size, listing.validation_size) == (14, 2)
    assert len(listing.names) == 20
    kept = {name: row.split for name, row in read_split(tmp_path / "split.csv").items()}
    for part, split in zip(listing.parts, ("train", "validation", "test"), strict=True):
        assert {kept[listing.names[i]] for i in part} == {split}
        assert set(listing.labels[part].tolist()) == {0, 1}
    assert all(
        path == str(tmp_path / name)
        for name, path in zip(listing.names, listing.paths, strict=True)
    )
    assert "2 classes; 14 videos to train, 2 to validate, 4 to test, by" in caplog.text


def test_a_split_that_is_not_kept_is_drawn_alike_when_it_is(tmp_path, caplog):
    caplog.set_level("INFO")
    data = touch(tmp_path, *ten("b", "a"))
    first = list_folder(data, keep_split=False)
    assert "split.csv is not written now: 20 videos are drawn alike" in caplog.text
    assert not (tmp_path / "split.csv").exists()
    assert list_folder(data).names == first.names
    kept = (tmp_path / "split.csv").read_bytes()
    touch(tmp_path, "a/more.mp4")
    grown = list_folder(data, keep_split=False)
    assert (tmp_path / "split.csv").read_bytes() == kept
    assert list_folder(data).names == grown.names


def test_ten_more_videos_move_no_other(shared, tmp_path):
    """Real clips, seen as a plain folder."""
    found = sorted((shared / "ucf101_mini").rglob("*.avi"))
    first, more = found[:-10:1], found[-10:]
    data = Data(root=str(tmp_path), **SOURCE)

    def put(videos):
        for path in videos:
            target = tmp_path / path.parent.name / path.name
            target.parent.mkdir(exist_ok=True)
            target.symlink_to(path)

    put(first)
    before = parts_of(list_folder(data))
    put(more)
    after = parts_of(list_folder(data))
    assert before.items() <= after.items()
    assert len(after) == len(found)
    groups = {}
    for name, split in after.items():  # v_Punch_g07_c01: no group is torn.
        assert groups.setdefault(name[: name.index("_c")], split) == split


def parts_of(listing):
    splits = ("train", "validation", "test")
    parts = zip(listing.parts, splits, strict=True)
    return {listing.names[i]: split for part, split in parts for i in part}


def test_folders_of_splits_are_taken_as_they_are(tmp_path, caplog):
    names = [f"train/{n}" for n in ten("a", "b")] + ["val/a/0.mp4", "test/b/0.mp4"]
    listing = list_folder(touch(tmp_path, *names, "test/a/talk_clip2.mp4"))
    assert [len(part) for part in listing.parts] == [20, 1, 2]
    assert listing.names[20] == "val/a/0.mp4"
    assert not (tmp_path / "split.csv").exists()
    assert "parts of recordings" not in caplog.text
    list_folder(touch(tmp_path, "train/b/talk_clip1.mp4"))
    assert "1 test videos seem to be parts of recordings" in caplog.text
    assert "test/a/talk_clip2.mp4" in caplog.text


def test_without_test_videos_the_validation_is_tested_on_and_that_is_said(
    tmp_path, caplog
):
    names = [f"train/{n}" for n in ten("a", "b")] + ["val/a/0.mp4", "val/b/0.mp4"]
    listing = list_folder(touch(tmp_path, *names))
    assert [len(part) for part in listing.parts] == [20, 0, 2]
    assert "has no test videos: those of the validation split are" in caplog.text


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a/x.mp4"], "at least two class folders of videos; .* has 'a' alone"),
        (["a/x.mp4", "b/y.mp4"], "There must be videos to test on, and there are none"),
        (["train/a/x.mp4", "test/b/y.mp4"], "Each class must have a training.*; b has"),
    ],
)
def test_too_few_videos_are_refused(names, message, tmp_path):
    with pytest.raises(DataError, match=message):
        list_folder(touch(tmp_path, *names))


def test_what_is_refused_is_not_kept(tmp_path):
    with pytest.raises(DataError, match="There must be videos to test on"):
        list_folder(touch(tmp_path, "a/x.mp4", "b/y.mp4"))
    assert not (tmp_path / "split.csv").exists()


def test_a_split_without_a_test_is_refused_and_not_made_of_the_validation(tmp_path):
    data = touch(tmp_path, *ten("a", "b"))
    with pytest.raises(DataError, match="There must be videos to test on"):
        list_folder(Data(**{**vars(data), "test_fraction": 0.0}))


def test_classes_that_are_not_tested_are_named(tmp_path, caplog):
    list_folder(touch(tmp_path, *ten("a", "b"), "c/0.mp4", "d/0.mp4"))
    assert "2 of 4 classes have no test video: c, d." in caplog.text


def test_the_split_of_a_folder_that_cannot_be_written_lies_elsewhere(tmp_path):
    data = touch(tmp_path / "videos", *ten("a", "b"))
    (tmp_path / "videos" / "split.csv").symlink_to(tmp_path / "nowhere" / "x" / "y")
    (tmp_path / "nowhere").touch()
    own = Data(**{**vars(data), "split_file": str(tmp_path / "kept" / "mine.csv")})
    listing = list_folder(own)
    assert parts_of(listing) == parts_of(list_folder(own))
    assert (tmp_path / "kept" / "mine.csv").exists()


def test_where_the_split_cannot_be_kept_the_option_is_named(tmp_path, monkeypatch):
    def refuse(path, content):
        raise StorageError(f"{path} could not be written: full.")

    monkeypatch.setattr("data.sources.frozen_split.write_atomically", refuse)
    with pytest.raises(StorageError, match="full. --data.split_file=PATH keeps it"):
        list_folder(touch(tmp_path, *ten("a", "b")))


@pytest.fixture
def counting_folder(counting_set, tmp_path):
    """The videos of the counting set in class folders, without their lists."""
    return shutil.copytree(counting_set / "UCF-101", tmp_path / "videos")


def test_clips_of_a_folder_are_those_of_its_files(counting_folder):
    clips = open_set(counting_folder, validation_fraction=0.3, **SOURCE)
    assert clips.class_names == CLASSES
    assert clips.train_size + clips.validation_size + clips.test_size == 15
    assert clips.validation_size
    again = open_set(counting_folder, validation_fraction=0.3, **SOURCE)
    assert again.identity == clips.identity
    assert_same(train(clips, 3), train(again, 3))


def test_a_run_goes_on_with_its_own_split(counting_folder, tmp_path, caplog):
    """Whatever is added, or drawn anew, and wherever that is kept."""
    began = open_set(counting_folder, validation_fraction=0.3, **SOURCE)
    own = tmp_path / "own.csv"
    own.write_text(began.split_table)
    for number, name in enumerate(("Jump", "Run", "Zoom")):
        path = counting_folder / name / f"new{number}.avi"
        path.parent.mkdir(exist_ok=True)
        shutil.copy(counting_folder / "Walk" / "v_Walk_g01_c01.avi", path)
    (counting_folder / "split.csv").unlink()
    again = open_set(counting_folder, run_split=own, **SOURCE)
    assert again.identity == began.identity
    assert again.split_table == began.split_table
    assert not (counting_folder / "split.csv").exists()
    assert "3 videos were added since the run began, and it does not" in caplog.text
    assert open_set(counting_folder, **SOURCE).class_names == (*CLASSES, "Zoom")
    gone = next(name for name in began.test_videos)
    (counting_folder / gone).unlink()
    lost = open_set(counting_folder, run_split=own, **SOURCE)
    assert lost.identity == began.identity
    assert "No such file" in lost.bad_test_videos[gone]


def test_folders_of_splits_are_a_runs_split_too(counting_folder, tmp_path):
    for part, groups in (("train", "123"), ("test", "45")):
        for group in groups:
            for path in sorted(counting_folder.glob(f"[JRW]*/*_g0{group}_*")):
                target = counting_folder / part / path.parent.name / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                path.rename(target)
    for name in CLASSES:
        shutil.rmtree(counting_folder / name)
    source = {"source": "folder", "validation": "test"}
    began = open_set(counting_folder, **source)
    (tmp_path / "own.csv").write_text(began.split_table)
    again = open_set(counting_folder, run_split=tmp_path / "own.csv", **source)
    assert again.identity == began.identity and began.train_size == 8


def test_bad_videos_of_each_split(counting_folder, caplog):
    whole = open_set(counting_folder, validation_fraction=0.3, **SOURCE)
    rows = read_split(counting_folder / "split.csv")
    for split in ("train", "validation", "test"):
        name = next(row.video for row in rows.values() if row.split == split)
        (counting_folder / name).write_bytes(b"no video")
    clips = open_set(counting_folder, **SOURCE)
    assert clips.train_size == whole.train_size - 1
    assert len(clips.bad_train_videos) == len(clips.bad_test_videos) == 1
    assert clips.validation_size == whole.validation_size
    assert len(clips.bad_validation_videos) == 1
    assert "Counts as wrong in each validation" in caplog.text


def test_a_validation_split_that_is_not_used_is_said(counting_folder, caplog):
    fractions = {"validation_fraction": 0.3}
    clips = open_set(counting_folder, source="folder", validation="test", **fractions)
    assert clips.validation_size == clips.test_size
    assert "videos of the validation split are not used" in caplog.text
    with pytest.raises(DataError, match="validation=split needs videos to validate on"):
        (counting_folder / "split.csv").unlink()
        open_set(counting_folder, validation_fraction=0.0, **SOURCE)
