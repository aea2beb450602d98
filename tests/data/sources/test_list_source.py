import dataclasses
import shutil

import pytest

from configs.command.errors import DataError
from configs.schema import Data
from data.sources.list_source import list_lists
from tests.data.samples import CLASSES
from tests.data.streams import open_set

TRAIN = "a/x.mp4 0\nb/y.mp4 1\n"
TEST = "a/z.mp4 0\n"


@pytest.fixture
def data(tmp_path):
    """Writes lists and empty files; returns the options."""

    def data(*files, root="videos", **texts):
        for name in files:
            path = tmp_path / root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        options = {}
        for option, text in texts.items():
            path = tmp_path / "lists" / f"{option}.csv"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            options[option] = str(path)
        return Data(source="list", root=str(tmp_path / "videos"), **options)

    return data


FILES = ("a/x.mp4", "b/y.mp4", "a/z.mp4")


def test_three_lists_make_a_listing(data, tmp_path, caplog):
    caplog.set_level("INFO")
    found = list_lists(
        data(
            *FILES,
            "b/w.mp4",
            train_list=TRAIN,
            validation_list="b/w.mp4 1\n",
            test_list=TEST,
            class_list="run\nwalk\n",
        )
    )
    assert found.class_names == ("run", "walk")
    assert found.names == ("a/x.mp4", "b/y.mp4", "b/w.mp4", "a/z.mp4")
    assert found.labels.tolist() == [0, 1, 1, 0]
    assert [len(part) for part in found.parts] == [2, 1, 1]
    assert found.paths[0] == str(tmp_path / "videos/a/x.mp4")
    assert "2 classes; 2 videos to train, 1 to validate, 1 to test." in caplog.text


@pytest.mark.parametrize("root", ["videos", "lists"])
def test_paths_begin_in_the_root_or_beside_the_list(data, tmp_path, root):
    (tmp_path / "videos").mkdir()
    listing = list_lists(data(*FILES, root=root, train_list=TRAIN, test_list=TEST))
    assert listing.paths[0] == str(tmp_path / root / "a/x.mp4")


def test_absolute_paths_are_taken_as_they_are(data, tmp_path):
    train = f"{tmp_path}/videos/a/x.mp4 0\n/b/y.mp4 1\n"
    listing = list_lists(data(*FILES, train_list=train, test_list=TEST))
    assert listing.paths[:2] == tuple(f"{tmp_path}/videos/{n}" for n in FILES[:2])


def test_lists_to_evaluate_on_need_no_other(data):
    listing = list_lists(data(*FILES, test_list=TEST, class_list="run\nwalk\n"))
    assert (listing.train_size, len(listing.names)) == (0, 1)
    assert listing.class_names == ("run", "walk")


@pytest.mark.parametrize(
    "name",
    [
        "testifying/---QUuC4vJs_000084_000094.mp4",
        "train/---QUuC4vJs_000084_000094.mkv",
        "---QUuC4vJs.webm",
    ],
)
def test_kinetics_is_found_under_each_name_that_downloaders_give(data, tmp_path, name):
    head = "label,youtube_id,time_start,time_end,split\n"
    train = f"{head}testifying,---QUuC4vJs,84,94,train\nlost,-2VKVjgNuE0,1,11,train\n"
    test = f"{head}lost,-3VKVjgNuE0,1,11,val\n"
    other = "val/-3VKVjgNuE0_000001_000011.mp4"
    listing = list_lists(data(name, other, train_list=train, test_list=test))
    assert listing.class_names == ("lost", "testifying")
    assert listing.paths[0] == str(tmp_path / "videos" / name)
    assert listing.paths[1].endswith("videos/-2VKVjgNuE0_000001_000011.mp4")  # Gone.
    assert listing.paths[2] == str(tmp_path / "videos" / other)


def test_without_a_test_list_the_validation_list_is_tested_on(data, caplog):
    listing = list_lists(data(*FILES, train_list=TRAIN, validation_list=TEST))
    assert [len(part) for part in listing.parts] == [2, 0, 1]
    assert "There is no data.test_list" in caplog.text


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (
            TRAIN,
            "a/x.mp4 0\n",
            r"test_list.csv line 1 names the same file as .*train_l",
        ),
        (TRAIN + "a/../a/x.mp4 0\n", TEST, "line 3 names the same file as .* line 1"),
        ("c/x.mp4 0\nc/y.mp4 1\n", TEST, "None of the 2 videos .* is there; .*c/x.mp4"),
    ],
)
def test_lists_that_cannot_be_right_are_refused(data, train, test, message):
    with pytest.raises(DataError, match=message):
        list_lists(data(*FILES, train_list=train, test_list=test))


def test_shared_recordings_and_missing_files_are_said(data, caplog):
    train, test = "a/t_clip1.mp4 0\nb/y.mp4 1\n", "a/t_clip2.mp4 0\na/gone.mp4 0\n"
    list_lists(data("a/t_clip1.mp4", "a/t_clip2.mp4", train_list=train, test_list=test))
    assert "1 test videos seem to be parts of recordings" in caplog.text
    assert "1 of the 2 videos of" in caplog.text
    assert "a/gone.mp4" in caplog.text


def test_lists_give_the_clips_of_the_same_files(counting_set, tmp_path):
    """The counting set by lists of two forms, against its own."""
    own = open_set(counting_set)
    videos = shutil.copytree(counting_set / "UCF-101", tmp_path / "videos")
    lists = {}
    for name in ("train", "test"):
        text = (counting_set / f"ucfTrainTestlist/{name}list01.txt").read_text()
        lists[f"{name}_list"] = str(tmp_path / f"{name}.txt")
        (tmp_path / f"{name}.txt").write_text(text)
    # One has labels that count from 1, the other none at all.
    labelled = [f"{v} {CLASSES.index(v.split('/')[0]) + 1}" for v in own.test_videos]
    (tmp_path / "test.txt").write_text("\n".join(labelled))
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
    clips = open_set(
        videos, source="list", class_list=str(tmp_path / "classes.txt"), **lists
    )
    assert clips.identity == own.identity
    assert clips.test_size == own.test_size == 4


def test_missing_training_videos_count_as_bad(counting_set, tmp_path):
    own = open_set(counting_set)
    train = [f"{v},{v.split('/')[0]}\n" for v in (*own.train_videos, "Run/gone.avi")]
    test = [f"{v},{v.split('/')[0]}\n" for v in own.test_videos]
    (tmp_path / "train.csv").write_text("".join(train))
    (tmp_path / "test.csv").write_text("".join(test))
    lists = {f"{n}_list": str(tmp_path / f"{n}.csv") for n in ("train", "test")}
    videos = counting_set / "UCF-101"
    clips = open_set(videos, source="list", **lists)
    assert clips.left_out == ("Run/gone.avi",)
    assert "No such file" in clips.bad_train_videos["Run/gone.avi"]
    with pytest.raises(DataError, match="1 of 12 training videos cannot be read"):
        open_set(videos, source="list", max_bad_fraction=0.0, **lists)


def test_ids_need_the_folder_of_their_videos(data):
    text = "label,youtube_id,time_start,time_end\nrun,abcdefghijk,0,10\n"
    options = dataclasses.replace(data(train_list=text), root="")
    with pytest.raises(DataError, match=r"data.root must name .*train_list.csv names"):
        list_lists(options)


def test_a_file_is_the_same_under_the_name_of_a_link(data, tmp_path):
    options = data("a/x.mp4", "b/y.mp4", train_list=TRAIN, test_list=TEST)
    (tmp_path / "videos/a/z.mp4").symlink_to("x.mp4")
    with pytest.raises(DataError, match="names the same file as"):
        list_lists(options)


def test_lists_in_two_folders_may_have_the_same_names(tmp_path):
    lists = {}
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        for name in ("x.mp4", "y.mp4"):
            (tmp_path / part / name).touch()
        path = tmp_path / part / "list.txt"
        path.write_text("x.mp4 run\ny.mp4 walk\n")
        lists[f"{part}_list"] = str(path)
    found = list_lists(Data(source="list", **lists))
    expected = ("train/x.mp4", "train/y.mp4", "test/x.mp4", "test/y.mp4")
    assert found.names == expected
    assert found.paths == tuple(str(tmp_path / name) for name in expected)
