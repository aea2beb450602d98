import dataclasses
import os
import shutil
import subprocess

import numpy as np
import pytest

from configs.schema import Views
from data import DecodeError, one_video, views_of_files
from data.decoding.write import write_video
from data.scan import scan_file
from tests.data.samples import counting_frames, decoded_numbers
from tests.data.streams import SETTINGS, VIEWS, joined, mirrored, replica_batches


def test_views_of_one_file_are_those_of_the_test_set(counting_set, clips):
    strategy = mirrored(1)
    whole = joined(replica_batches(strategy, clips.views(strategy)))[0]
    data = dataclasses.replace(SETTINGS, root=str(counting_set))
    paths = [str(counting_set / "UCF-101" / name) for name in clips.test_videos]
    for number, (path, views) in enumerate(
        views_of_files(paths, data=data, views=VIEWS)
    ):
        assert path == paths[number]
        np.testing.assert_array_equal(views, whole["clip"][whole["video"] == number])
    assert number == len(paths) - 1 == 3


def test_a_clip_of_segments_shows_their_middles(tmp_path):
    """Of 17 frames and four segments: see tests/data/sampling/test_frames.py."""
    path = tmp_path / "video.avi"
    write_video(path, counting_frames(17))
    data = dataclasses.replace(SETTINGS, frame_sampling="segments")
    [(_, [clip])] = views_of_files(
        [str(path)], data=data, views=Views(clips=1, crops=1)
    )
    assert decoded_numbers(clip).tolist() == [2, 6, 10, 14]


def test_clips_are_placed_by_the_rule_that_is_asked_for(tmp_path):
    """As tests/data/sampling/test_frames.py has it by hand."""
    path = tmp_path / "video.avi"
    write_video(path, counting_frames(20), fps=25.0)
    data = dataclasses.replace(SETTINGS, frame_interval=3)
    for sampling, frames in (
        ("mmaction2", [[0, 3, 6, 9], [10, 13, 16, 19]]),
        ("torchvision", [[0, 1, 3, 5], [13, 15, 16, 18]]),
    ):
        views = Views(clips=2, crops=1, sampling=sampling, short_side=20)
        [(_, clips)] = views_of_files([str(path)], data=data, views=views)
        assert decoded_numbers(clips).tolist() == frames


def test_a_file_without_a_rate_is_named_where_that_matters(tmp_path, monkeypatch):
    path = tmp_path / "video.avi"
    write_video(path, counting_frames(20))

    def scanned(path, decoder):
        return dataclasses.replace(scan_file(path, decoder), fps=0.0)

    monkeypatch.setattr(one_video, "scan_file", scanned)
    views = Views(clips=1, crops=1, sampling="torchvision")
    [(_, error)] = views_of_files([str(path)], data=SETTINGS, views=views)
    assert isinstance(error, DecodeError)
    assert "does not say its frame rate, which views.sampling=torch" in str(error)


def test_a_file_that_is_no_video_costs_no_other(counting_set, tmp_path):
    os.mkfifo(tmp_path / "pipe.avi")
    (tmp_path / "text.avi").write_text("no video")
    good = next((counting_set / "UCF-101" / "Run").glob("*.avi"))
    paths = [str(tmp_path / name) for name in ("pipe.avi", "text.avi", "gone.avi")]
    paths = [str(good), *paths, str(good)]
    found = list(views_of_files(paths, data=SETTINGS, views=VIEWS))
    assert [path for path, _ in found] == paths
    first, *bad, last = (views for _, views in found)
    np.testing.assert_array_equal(first, last)
    for error, reason in zip(bad, ("is not a file", "no video", "no"), strict=True):
        assert isinstance(error, DecodeError) and reason in str(error)


def test_unusual_reading_is_told(tmp_path, caplog):
    if shutil.which("ffmpeg") is None:
        pytest.skip("written with ffmpeg")
    path = tmp_path / "tape.avi"
    source = "testsrc2=size=64x48:rate=25:duration=1"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source]
    subprocess.run([*command, "-flags", "+ilme+ildct", path], check=True)

    [(_, views)] = views_of_files([str(path)], data=SETTINGS, views=VIEWS)
    assert views.any()
    assert "tape.avi is read by PyAV" in caplog.text
