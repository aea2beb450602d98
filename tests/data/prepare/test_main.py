import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from configs.schema import Data
from data.decoding.write import write_video
from data.prepare.__main__ import main
from data.sources import open_source
from data.sources.frozen_split import read_split
from storage.lock import locked
from tests.data.samples import counting_frames

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


def test_names_of_any_bytes_stay_what_they_are(tmp_path, capsys):
    """Also of those that leave room for no longer ending, and of links to nowhere."""
    root, out = tmp_path / "videos", tmp_path / "out"
    names = [
        *(b"a/back\\slash.avi", b"a/\xff\xfe.avi", b"a/-dash.avi", b"a/x:y%d.avi"),
        *(b"a/line\nend.avi", b"a/re\rturn.avi", b'a/"quoted", really.avi'),
        *(b"\xe9t\xe9/1.avi", b"\xe9t\xe9/2.avi", b"\xe9t\xe9/3.avi"),
        *(b"a/" + b"n" * 251 + b".avi", b"a/" + b"m" * 252 + b".ts"),
    ]
    (root / "a").mkdir(parents=True)
    write_video(root / "a/first.avi", counting_frames(9))
    for name in names:
        path = root / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        shutil.copy(root / "a/first.avi", path)
    (root / "a/nowhere.avi").symlink_to("gone")
    os.mkfifo(root / "a/pipe.avi")
    before = listed(root, source="folder")
    for _ in range(2):
        assert main([str(root), str(out), *SMALL]) == 3
        shown = capsys.readouterr().out
        assert "copied: 'a/nowhere.avi' cannot be read" in shown
        assert "ts' has a name that leaves no room for .mp4" in shown
        assert listed(out, source="folder") == before
    made = {path.relative_to(out) for path in out.rglob("*.mp4")}
    expected = {name.replace(b".avi", b".mp4") for name in names[:-1]}
    assert set(map(os.fsencode, made)) == expected | {b"a/first.mp4"}


def test_files_of_no_video_are_named(root, tmp_path, capsys):
    videos, out = (root / "UCF-101").rename(tmp_path / "videos"), tmp_path / "out"
    assert main([str(videos), str(out), *SMALL]) == 0
    assert "other:" not in capsys.readouterr().out
    (videos / "Walk/v_Walk_g05_c01.avi").rename(videos / "Walk/new.avi")
    assert main([str(videos), str(out), *SMALL]) == 0
    shown = capsys.readouterr().out
    assert "other: 'Walk/v_Walk_g05_c01.mp4' is there, but is of no video" in shown


def test_a_split_that_a_spreadsheet_has_saved_comes_along(root, tmp_path):
    videos = (root / "UCF-101").rename(tmp_path / "videos")
    before = listed(videos, source="folder")
    kept = (videos / "split.csv").read_text()
    (videos / "split.csv").write_text(kept.replace(",", ";") + "\n;;;\n")
    assert main([str(videos), str(tmp_path / "out"), *SMALL]) == 0
    assert listed(tmp_path / "out", source="folder") == before


def test_one_command_at_a_time_writes_to_a_folder(root, tmp_path, capsys):
    with locked(tmp_path / "out"):
        assert main([str(root), str(tmp_path / "out"), *SMALL]) == 7
    assert "out is being written by" in capsys.readouterr().err


def test_workers_end_with_a_command_that_is_killed(tmp_path):
    """Or they would go on writing beside the command that is given again."""
    videos = tmp_path / "videos"
    videos.mkdir()
    write_video(videos / "long.avi", np.repeat(counting_frames(40), 250, axis=0))
    command = [sys.executable, "-m", "data.prepare", videos, tmp_path / "out", *SMALL]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        while not (parts := list((tmp_path / "out").rglob(".*.part"))):
            assert process.poll() is None
        worker = int(parts[0].name.split(".")[2])
        process.kill()
    while is_alive(worker):
        assert not (tmp_path / "out/long.mp4").exists()
    assert main([str(videos), str(tmp_path / "out"), *SMALL]) == 0
    assert [path.name for path in (tmp_path / "out").glob("*.mp4")] == ["long.mp4"]
    assert not list((tmp_path / "out").rglob(".*.part"))


def test_an_interruption_is_said_in_a_line(root, tmp_path, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("data.prepare.__main__.prepare", stop)
    assert main([str(root), str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err == "Stopped; the same command goes on.\n"


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return (
        Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    )
