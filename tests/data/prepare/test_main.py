import shutil

import pytest

from configs.schema import Data
from data.prepare.__main__ import main
from data.sources import open_source
from data.sources.frozen_split import read_split

SMALL = ("--short_side=16", "--processes=1")


@pytest.fixture
def root(counting_set, tmp_path):
    return shutil.copytree(counting_set, tmp_path / "set")


def listed(root, **options):
    listing = open_source(Data(root=str(root), **options)).listing
    names = [name.rpartition(".")[0] for name in listing.names]
    labels = listing.labels.tolist()
    return listing.class_names, names, labels, [part.tolist() for part in listing.parts]


def test_lists_of_ucf101_come_along(root, tmp_path, capsys):
    assert main([str(root), str(tmp_path / "out"), *SMALL]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("videos coded anew                  15\ncopied as they are")
    assert "clips read, times as fast" in shown
    assert listed(tmp_path / "out") == listed(root)


def test_a_split_and_groups_come_along(root, tmp_path, capsys):
    videos = (root / "UCF-101").rename(tmp_path / "videos")
    (videos / "Walk" / "v_Walk_g05_c01.avi").write_bytes(b"no video")
    names = ["Run/v_Run_g01_c01.avi", "Jump/v_Jump_g02_c01.avi"]
    (videos / "groups.csv").write_text(f"video,group\n{names[0]},us\n{names[1]},us\n")
    before = listed(videos, source="folder")
    assert main([str(videos), str(tmp_path / "out"), *SMALL]) == 3
    assert "copied: 'Walk/v_Walk_g05_c01.avi' holds no" in capsys.readouterr().out
    kept = (tmp_path / "out" / "split.csv").read_text()
    assert listed(tmp_path / "out", source="folder") == before
    assert (tmp_path / "out" / "split.csv").read_text() == kept
    rows = read_split(tmp_path / "out" / "split.csv")
    assert rows["Walk/v_Walk_g05_c01.avi"].group
    assert rows["Run/v_Run_g01_c01.mp4"].group == "us"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--short_side=8"], "--short_side must be in [16, 16384]; received 8"),
        (["--quality=52"], "--quality must be in [0, 51]"),
        (["--key_frame_every=0"], "--key_frame_every must be in"),
    ],
)
def test_options_that_cannot_be_are_refused(root, tmp_path, arguments, message, capsys):
    assert main([str(root), str(tmp_path / "out"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_originals_are_never_written_to(root, tmp_path, capsys):
    for out in (root, root / "prepared"):
        assert main([str(root), str(out)]) == 2
        assert "PREPARED must lie outside of VIDEOS" in capsys.readouterr().err
    assert main([str(tmp_path / "gone"), str(tmp_path / "out")]) == 3
    assert "VIDEOS must be a directory" in capsys.readouterr().err
