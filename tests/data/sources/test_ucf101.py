import re
import shutil

import numpy as np
import pytest

from configs.command.errors import DataError
from data.sources.ucf101 import list_videos
from tests.data.samples import CLASSES, write_lists

TRAIN = [
    "Jump/v_Jump_g01_c01.avi 1",
    "Run/v_Run_g01_c01.avi 2",
    "Walk/v_Walk_g01_c01.avi 3",
]
TEST = ["Jump/v_Jump_g02_c01.avi", "Run/v_Run_g02_c01.avi"]


def touch_videos(folder, lines):
    for line in lines:
        path = folder / re.sub(r" \d+$", "", line)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def root(tmp_path):
    touch_videos(tmp_path / "UCF-101", TRAIN + TEST)
    write_lists(tmp_path / "ucfTrainTestlist", TRAIN, TEST)
    return tmp_path


def test_listing_holds_training_then_test_videos(root):
    listing = list_videos(root, 1)

    assert listing.class_names == CLASSES
    assert listing.names == (*[line[:-2] for line in TRAIN], *TEST)
    assert listing.train_size == 3
    np.testing.assert_array_equal(listing.labels, [0, 1, 2, 0, 1])
    np.testing.assert_array_equal(listing.groups, [1, 1, 1, 2, 2])
    assert listing.paths[0] == str(root / "UCF-101/Jump/v_Jump_g01_c01.avi")


@pytest.mark.parametrize(
    ("videos", "lists", "given"),
    [
        ("UCF-101", "ucfTrainTestlist", "."),
        ("UCF101", "ucfTrainTestlist", "."),
        ("UCF-101", ".", "."),
        (".", ".", "."),
        (".", "ucfTrainTestlist", "."),
        ("UCF-101", "UCF-101/ucfTrainTestlist", "."),
        ("UCF-101", "UCF-101", "."),
        ("UCF-101", "ucfTrainTestlist", "UCF-101"),
        ("UCF-101", "ucfTrainTestlist", "ucfTrainTestlist"),
        ("UCF-101", "UCF101TrainTestSplits-RecognitionTask/ucfTrainTestlist", "."),
    ],
)
def test_common_layouts_are_found(tmp_path, videos, lists, given):
    touch_videos(tmp_path / videos, TRAIN + TEST)
    write_lists(tmp_path / lists, TRAIN, TEST)

    assert len(list_videos(tmp_path / given, 1).names) == 5


def test_carriage_returns_byte_order_mark_and_blanks_are_no_matter(root):
    for file in (root / "ucfTrainTestlist").iterdir():
        text = file.read_text().replace("\n", "  \r\n") + "\r\n \r\n"
        file.write_bytes(b"\xef\xbb\xbf" + text.encode())

    assert list_videos(root, 1).class_names == CLASSES


def test_test_lists_may_carry_labels(root):
    (root / "ucfTrainTestlist/testlist01.txt").write_text(f"{TEST[0]} 1\n{TEST[1]} 2\n")

    np.testing.assert_array_equal(list_videos(root, 1).labels[3:], [0, 1])


def test_times_in_names_are_no_groups(tmp_path):
    names = ["v_g1668000000000", "v_g12345678901234567890_c1", "v_g999999999_c1"]
    train = [
        f"{line.split('/')[0]}/{name}.avi"
        for line, name in zip(TRAIN, names, strict=True)
    ]
    touch_videos(tmp_path, train + TEST)
    write_lists(tmp_path, train, TEST)
    listing = list_videos(tmp_path, 1)
    np.testing.assert_array_equal(listing.groups, [-1, -1, 999999999, 2, 2])


def test_names_may_have_blanks_other_formats_and_no_groups(tmp_path):
    train = ["My Class/clip 12.final.mp4 1", "Other/été 1.mkv 2"]
    test = ["My Class/clip 13.mov"]
    touch_videos(tmp_path, train + test)
    write_lists(tmp_path, train, test, classes=("My Class", "Other"))

    listing = list_videos(tmp_path, 1)

    assert listing.names == ("My Class/clip 12.final.mp4", "Other/été 1.mkv", test[0])
    assert set(listing.groups) == {-1}


def test_upper_and_lower_case_may_differ_where_that_is_unique(root):
    folder = root / "UCF-101"
    shutil.move(folder / "Run", folder / "RUN")
    shutil.move(folder / "RUN/v_Run_g01_c01.avi", folder / "RUN/v_run_g01_c01.avi")

    assert list_videos(root, 1).paths[1] == str(folder / "RUN/v_run_g01_c01.avi")

    (folder / "RUN/V_RUN_g01_c01.avi").touch()
    with pytest.raises(DataError, match="trainlist01.txt line 2: .* may be any of"):
        list_videos(root, 1)


FAULTS = {
    "unknown class": (
        [*TRAIN, "Swim/v_Swim_g01_c01.avi 4"],
        TEST,
        "trainlist01.txt line 4 names the class 'Swim'",
    ),
    "missing video": (
        [*TRAIN, "Run/v_Run_g07_c01.avi 2"],
        TEST,
        "trainlist01.txt lists 1 videos .* line 4: Run/v_Run_g07_c01.avi",
    ),
    "label from 0": (
        ["Jump/v_Jump_g01_c01.avi 0", *TRAIN[1:]],
        TEST,
        "trainlist01.txt line 1 says label 0, but Jump is 1",
    ),
    "wrong label in a test list": (
        TRAIN,
        [f"{TEST[0]} 2"],
        "testlist01.txt line 1 says label 2, but Jump is 1",
    ),
    "duplicate line": (
        [*TRAIN, TRAIN[1]],
        TEST,
        "trainlist01.txt line 4 repeats line 2",
    ),
    "duplicate in other letters": (
        [*TRAIN, TRAIN[1].replace("v_Run", "V_RUN")],
        TEST,
        "trainlist01.txt line 4 repeats line 2",
    ),
    "video in both lists": (
        [*TRAIN, f"{TEST[0]} 1"],
        TEST,
        "in both lists: .*trainlist01.txt line 4 and .*testlist01.txt line 1",
    ),
    "group in both lists": (
        TRAIN,
        [*TEST, "Run/v_Run_g01_c02.avi"],
        "Group 1 .*trainlist01.txt line 2.*testlist01.txt line 3",
    ),
    "class without a training video": (
        TRAIN[:2],
        TEST,
        "classInd.txt names Walk, of which .*trainlist01.txt lists no video",
    ),
    "way out of the folder": (
        [*TRAIN, "../secret.avi 1"],
        TEST,
        "trainlist01.txt line 4 must read 'CLASS/VIDEO",
    ),
    "no class": ([*TRAIN, "v_Run_g01_c09.avi 2"], TEST, "trainlist01.txt line 4 must"),
    "no extension": ([*TRAIN, "Run/ 2"], TEST, "trainlist01.txt line 4 must"),
    "empty list": (TRAIN, [], "testlist01.txt lists no video"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_lists_are_named_with_file_and_line(root, fault):
    train, test, message = FAULTS[fault]
    (root / "UCF-101/Run/v_Run_g01_c02.avi").touch()
    write_lists(root / "ucfTrainTestlist", train, test)

    with pytest.raises(DataError, match=message):
        list_videos(root, 1)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("1 Jump\n2 Run\n4 Walk\n", "number its classes 1, 2, 3"),
        ("0 Jump\n1 Run\n2 Walk\n", "number its classes 1, 2, 3"),
        ("1 Jump\n2 Run\n2 Walk\n", "line 3 repeats"),
        ("1 Jump\n2 Run\n3 jump\n", "line 3 repeats"),
        ("Jump\nRun\nWalk\n", "line 1 must read 'LABEL CLASS'"),
        ("", "number its classes"),
    ],
)
def test_faulty_class_index_is_named(root, index, message):
    (root / "ucfTrainTestlist/classInd.txt").write_text(index)

    with pytest.raises(DataError, match=f"classInd.txt.*{message}"):
        list_videos(root, 1)


def test_missing_parts_are_named_with_the_remedy(root, tmp_path):
    with pytest.raises(DataError, match="lacks trainlist02.txt and testlist02.txt"):
        list_videos(root, 2)
    with pytest.raises(DataError, match="data.root must be a directory; received"):
        list_videos(root / "nowhere", 1)
    with pytest.raises(DataError, match="data.root must name"):
        list_videos("", 1)
    shutil.rmtree(root / "UCF-101")
    with pytest.raises(DataError, match="No folder of any class .* unpack"):
        list_videos(root, 1)
    shutil.rmtree(root / "ucfTrainTestlist")
    with pytest.raises(DataError, match="UCF101TrainTestSplits-RecognitionTask.zip"):
        list_videos(root, 1)


def test_list_in_another_encoding_is_named(root):
    (root / "ucfTrainTestlist/testlist01.txt").write_bytes(b"Run/\xff\xfe.avi\n")

    with pytest.raises(DataError, match="testlist01.txt must be UTF-8"):
        list_videos(root, 1)


SIZES = {1: (9537, 3783), 2: (9586, 3734), 3: (9624, 3696)}


@pytest.mark.parametrize("spelling", ["HandstandPushups", "HandStandPushups"])
@pytest.mark.parametrize("split", SIZES)
def test_official_lists_are_read_whole(shared, tmp_path, split, spelling):
    lists = shared / "ucf101_lists"
    for kind in ("trainlist", "testlist"):
        lines = (lists / f"{kind}0{split}.txt").read_text().splitlines()
        lines = [line.replace("HandstandPushups/", f"{spelling}/") for line in lines]
        touch_videos(tmp_path / "UCF-101", lines)
    (tmp_path / "ucfTrainTestlist").symlink_to(lists)

    listing = list_videos(tmp_path, split)

    train, test = SIZES[split]
    assert (listing.train_size, len(listing.names)) == (train, train + test)
    assert len(listing.class_names) == 101
    assert listing.class_names[36] == "HandstandPushups"
    groups = listing.groups
    assert set(groups) == set(range(1, 26))
    assert set(listing.labels[:train]) == set(listing.labels[train:]) == set(range(101))
    assert not set(groups[:train]) & set(groups[train:])
