"""A video is known again in another folder, under another name, coded anew."""

import shutil
import unicodedata

import numpy as np
import pytest

from configs.schema import Data, Views
from data import open_clips
from data.decoding.write import write_video
from data.identities import content_key, group_key, name_key
from storage.files import SAMPLE
from storage.trained_videos import TrainedVideos


def identities(root):
    return open_clips(Data(root=str(root)), Views(), seed=0).identities


@pytest.fixture(scope="module")
def trained(tiny_root):
    return identities(tiny_root).trained_videos()


@pytest.fixture
def exchanged(tiny_root, tmp_path):
    """The same videos in another folder, the lists exchanged."""
    root = tmp_path / "exchanged"
    shutil.copytree(tiny_root, root, ignore=shutil.ignore_patterns("video_scan.json"))
    lists = root / "ucfTrainTestlist"
    train, test = lists / "trainlist01.txt", lists / "testlist01.txt"
    texts = train.read_text(), test.read_text()
    test.write_text("".join(f"{line.split()[0]}\n" for line in texts[0].splitlines()))
    train.write_text(texts[1])
    return root


def rename(root, change):
    """Renames every video, in the folders and in the lists."""
    for path in (root / "UCF-101").rglob("*.avi"):
        path.rename(path.with_name(change(path.name)))
    for path in (root / "ucfTrainTestlist").glob("*list01.txt"):
        lines = [line.split(" ") for line in path.read_text().splitlines()]
        for line in lines:
            folder, _, name = line[0].partition("/")
            line[0] = f"{folder}/{change(name)}"
        path.write_text("".join(" ".join(line) + "\n" for line in lines))


def code_anew(root):
    """Other pixels in every file."""
    for number, path in enumerate(sorted((root / "UCF-101").rglob("*.avi"))):
        write_video(path, np.full([9, 40, 48, 3], number, np.uint8))


def test_nothing_is_seen_of_a_test_list_of_its_own(tiny_root, trained):
    assert identities(tiny_root).seen(trained) == {}
    assert (len(trained.names), len(trained.contents)) == (13, 13)


def test_copies_are_known_by_content_under_any_name(exchanged, trained):
    assert list(identities(exchanged).seen(trained).values()) == ["content"] * 13
    rename(exchanged, lambda name: name.replace("_g", "_clip").replace("v_", "x"))
    assert list(identities(exchanged).seen(trained).values()) == ["content"] * 13


def test_videos_coded_anew_are_known_by_name_and_by_group(exchanged, trained):
    code_anew(exchanged)
    assert list(identities(exchanged).seen(trained).values()) == ["name"] * 13
    rename(exchanged, lambda name: name.replace("_c01", "_c02"))
    assert list(identities(exchanged).seen(trained).values()) == ["group"] * 13
    rename(exchanged, lambda name: name.replace("_g0", "_g9"))
    assert identities(exchanged).seen(trained) == {}


def test_videos_are_the_same_wherever_they_lie_and_however_they_are_listed(
    tiny_root, tmp_path
):
    root = tmp_path / "copy"
    shutil.copytree(tiny_root, root)
    path = root / "ucfTrainTestlist" / "testlist01.txt"
    path.write_text("\n".join(reversed(path.read_text().split("\n"))))
    beats, expected = [], identities(tiny_root).test_fingerprint()
    same = identities(root)
    assert same.test_fingerprint(lambda: beats.append(1)) == expected
    assert same.test_fingerprint(lambda: beats.append(1)) == expected
    assert len(beats) == 7
    video = root / "UCF-101" / path.read_text().split()[0]
    content = bytearray(video.read_bytes())
    content[-1] ^= 1
    video.write_bytes(content)
    assert identities(root).test_fingerprint() != expected


def test_accents_of_a_list_may_be_coded_otherwise(tiny_root, tmp_path):
    found = set()
    for form in ("NFC", "NFD"):
        root = tmp_path / form
        shutil.copytree(tiny_root, root)
        name = unicodedata.normalize(form, "Caf\u00e9")
        (root / "UCF-101" / "Rise").rename(root / "UCF-101" / name)
        for path in (root / "ucfTrainTestlist").iterdir():
            text = path.read_text("utf-8").replace("Rise/", f"{name}/")
            path.write_text(text.replace(" Rise", f" {name}"), "utf-8")
        found.add(identities(root).test_fingerprint())
    assert len(found) == 1


def test_what_is_not_known_is_not_none_seen(tiny_root):
    assert identities(tiny_root).seen(None) is None
    assert identities(tiny_root).seen(TrainedVideos()) == {}


def test_names_are_compared_as_people_mean_them():
    composed = unicodedata.normalize("NFC", "Café/v_Café_g01_c01.avi")
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed and name_key(composed) == name_key(decomposed)
    assert name_key("Punch/v_Punch_g01_c01.mp4") == name_key(
        "punch/v_punch_g01_c01.avi"
    )
    assert name_key("Punch/v_Punch_g01_c01.avi") != name_key("Kick/v_Punch_g01_c01.avi")
    assert name_key("Punch/a.b.avi") != name_key("Punch/a.avi")
    assert group_key("Punch/v_Punch_g01_c01.avi") == group_key("Punch/x_g1_c7.mp4")
    assert group_key("Punch/v_Punch_g01_c01.avi") != group_key(
        "Kick/v_Kick_g01_c01.avi"
    )
    assert group_key("Punch/video.avi") is None
    assert group_key("Punch/v_g1668000000000_c01.avi") is None
    assert group_key(f"Punch/v_g{'9' * 5000}.avi") is None
    assert group_key("Punch/v_g1668000000000_g7_c1.avi") == group_key("Punch/v_g7.avi")


@pytest.mark.parametrize("size", [1, SAMPLE, 5 * SAMPLE])
def test_a_change_anywhere_in_a_sample_is_another_content(tmp_path, size):
    content = np.random.default_rng(size).bytes(size)
    (tmp_path / "a").write_bytes(content)
    key = content_key(tmp_path / "a")
    assert key.startswith(f"{size}-")
    for place in {0, size // 2, size - 1}:
        changed = bytearray(content)
        changed[place] ^= 1
        (tmp_path / "b").write_bytes(changed)
        assert content_key(tmp_path / "b") != key
    (tmp_path / "b").write_bytes(content)
    assert content_key(tmp_path / "b") == key
    (tmp_path / "b").write_bytes(content + b"0")
    assert content_key(tmp_path / "b") != key


def test_files_that_are_gone_are_not_the_same(tmp_path):
    assert content_key(tmp_path / "a") != content_key(tmp_path / "b")
