import logging
import shutil

import numpy as np
import pytest

from configs.command.errors import DataError
from configs.schema import Data
from data.decoding.write import write_video
from data.sources import open_source, scan_source
from data.sources.hmdb51 import list_videos
from tests.data.samples import counting_frames

WAVE = [f"film{i}_wave_f_cm_np1_fr_med_0.avi" for i in range(4)]
JUMP = [f"(Rad)Bank!_{i}_jump_u_nm_np1_ba_goo_0.avi" for i in range(4)]
USES = (1, 1, 2, 0)
SPLITS = "testTrainMulti_7030_splits"


def write_split(folder, class_name, names, uses=USES, split=1):
    """A list as it is published, blanks at the ends of its lines included."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{name} {use} \n" for name, use in zip(names, uses, strict=True)]
    path = folder / f"{class_name}_test_split{split}.txt"
    path.write_text("".join(lines))
    return path


def write_set(root, videos="hmdb51_org", lists=SPLITS):
    """Two classes of two training, one test and one unused video."""
    for class_name, names in (("wave", WAVE), ("jump", JUMP)):
        write_split(root / lists, class_name, names)
        (root / videos / class_name).mkdir(parents=True, exist_ok=True)
        for name in names:
            (root / videos / class_name / name).touch()
    return root


@pytest.fixture
def root(tmp_path):
    return write_set(tmp_path / "root")


def test_listing_holds_training_then_test_videos_and_no_unused_ones(root):
    listing = list_videos(root, 1)

    assert listing.class_names == ("jump", "wave")
    trained = [f"jump/{n}" for n in JUMP[:2]] + [f"wave/{n}" for n in WAVE[:2]]
    assert listing.names == (*trained, f"jump/{JUMP[2]}", f"wave/{WAVE[2]}")
    assert (listing.train_size, listing.validation_size) == (4, 0)
    np.testing.assert_array_equal(listing.labels, [0, 0, 1, 1, 0, 1])
    assert set(listing.groups) == {-1}
    assert listing.paths[0] == str(root / "hmdb51_org/jump" / JUMP[0])


def test_unused_videos_need_not_be_there(root):
    (root / "hmdb51_org/wave" / WAVE[3]).unlink()
    assert len(list_videos(root, 1).names) == 6


@pytest.mark.parametrize(
    ("videos", "lists", "given"),
    [
        ("hmdb51_org", SPLITS, "."),
        ("videos", "splits", "."),
        (".", SPLITS, "."),
        (".", "splits", "."),
        (".", ".", "."),
        ("hmdb51_org", ".", "."),
        ("hmdb51_org", f"test_train_splits/{SPLITS}", "."),
        ("hmdb51_org", SPLITS, "hmdb51_org"),
        ("hmdb51_org", SPLITS, SPLITS),
        ("hmdb51_org", f"hmdb51_org/{SPLITS}", "."),
    ],
)
def test_common_layouts_are_found(tmp_path, videos, lists, given):
    write_set(tmp_path, videos, lists)
    assert len(list_videos(tmp_path / given, 1).names) == 6


@pytest.mark.parametrize("split", [2, 3])
def test_each_split_has_its_own_lists(root, split):
    for class_name, names in (("wave", WAVE), ("jump", JUMP)):
        write_split(root / SPLITS, class_name, names, (2, 0, 1, 1), split)

    listing = list_videos(root, split)

    assert [name.split("/")[1] for name in listing.names[4:]] == [JUMP[0], WAVE[0]]


def test_carriage_returns_and_upper_case_are_no_matter(root):
    for file in (root / SPLITS).iterdir():
        text = file.read_text().replace("\n", "\r\n") + "\r\n"
        file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    shutil.move(root / "hmdb51_org/wave", root / "hmdb51_org/Wave")
    assert list_videos(root, 1).paths[2] == str(root / "hmdb51_org/Wave" / WAVE[0])


def test_films_in_both_lists_are_counted_and_the_lists_taken_as_they_are(root, caplog):
    with caplog.at_level(logging.INFO, "absl"):
        list_videos(root, 1)
    assert "2 classes; 4 videos to train, 2 to test" in caplog.text
    assert "cut from" not in caplog.text
    name = WAVE[0].replace("_0.avi", "_1.avi")
    (root / "hmdb51_org/wave" / name).touch()
    write_split(root / SPLITS, "wave", [*WAVE, name], (*USES, 2))
    with caplog.at_level(logging.INFO, "absl"):
        assert len(list_videos(root, 1).names) == 7
    assert "1 test videos seem to be cut from films that are trained" in caplog.text
    assert f"the first is wave/{name}. The lists are taken" in caplog.text


FAULTS = {
    "missing video": (
        [*WAVE, "gone_wave.avi"],
        (*USES, 2),
        r"wave_test_split1.txt lists 1 videos .*hmdb51_org: line 5: wave/gone_wave.avi",
    ),
    "video of both kinds": (
        [*WAVE, WAVE[0]],
        (*USES, 2),
        "in both lists: .*wave_test_split1.txt line 1 and .*split1.txt line 5",
    ),
    "duplicate line": (
        [*WAVE, WAVE[1]],
        (*USES, 1),
        "wave_test_split1.txt line 5 repeats line 2",
    ),
    "duplicate in other letters": (
        [*WAVE, WAVE[1].upper()],
        (*USES, 1),
        "wave_test_split1.txt line 5 repeats line 2",
    ),
    "another use": (WAVE, (1, 1, 2, 3), "line 4 must read 'VIDEO 0', .* 3'"),
    "no use": (WAVE, (1, 1, 2, ""), "wave_test_split1.txt line 4 must read"),
    "way out of the folder": (
        [*WAVE, "../secret.avi"],
        (*USES, 1),
        "wave_test_split1.txt line 5 must read",
    ),
    "class without a training video": (
        WAVE,
        (0, 0, 2, 0),
        "wave_test_split1.txt lists no training video",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_lists_are_named_with_file_and_line(root, fault):
    names, uses, message = FAULTS[fault]
    write_split(root / SPLITS, "wave", names, uses)
    with pytest.raises(DataError, match=message):
        list_videos(root, 1)


def test_a_class_may_have_no_test_video_but_not_all_of_them(root):
    write_split(root / SPLITS, "wave", WAVE, (1, 1, 0, 0))
    assert len(list_videos(root, 1).names) == 5
    write_split(root / SPLITS, "jump", JUMP, (1, 1, 0, 0))
    with pytest.raises(DataError, match="data.split=1 in .* name no test video"):
        list_videos(root, 1)


def test_a_class_folder_without_a_list_is_refused(root):
    (root / "hmdb51_org/notes").mkdir()
    (root / "hmdb51_org/notes/readme.txt").touch()
    list_videos(root, 1)
    (root / SPLITS / "wave_test_split1.txt").unlink()
    with pytest.raises(DataError, match="hmdb51_org/wave holds videos and has no list"):
        list_videos(root, 1)


def test_two_lists_of_one_class_are_refused(root):
    write_split(root / SPLITS, "Wave", WAVE)
    with pytest.raises(DataError, match="Wave_test_split1.txt .*not list the same cla"):
        list_videos(root, 1)


def test_missing_parts_are_named_with_the_remedy(root):
    message = "lacks CLASS_test_split2.txt, needed for data.split=2; it has split 1"
    with pytest.raises(DataError, match=message):
        list_videos(root, 2)
    shutil.rmtree(root / "hmdb51_org/wave")
    with pytest.raises(DataError, match="wave_test_split1.txt lists 2 videos"):
        list_videos(root, 1)
    shutil.rmtree(root / "hmdb51_org")
    with pytest.raises(DataError, match="No folder of any class .* hmdb51_org.rar"):
        list_videos(root, 1)
    shutil.rmtree(root / SPLITS)
    with pytest.raises(DataError, match=r"test_train_splits.rar\): unpack it to"):
        list_videos(root, 1)


def test_it_is_opened_and_all_of_its_splits_are_scanned(root):
    for class_name, names in (("wave", WAVE), ("jump", JUMP)):
        write_split(root / SPLITS, class_name, names, (0, 1, 1, 2), split=3)
        for number, name in enumerate(names, start=4):
            path = root / "hmdb51_org" / class_name / name
            write_video(path, counting_frames(number))

    source = open_source(Data(source="hmdb51", root=str(root)))
    scanned = scan_source(Data(source="hmdb51", root=str(root)))

    assert [video.frames for video in source.videos] == [4, 5, 4, 5, 6, 6]
    assert len(scanned) == 8 and not any(video.reason for _, video in scanned)
