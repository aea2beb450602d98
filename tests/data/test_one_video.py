import dataclasses
import os
import shutil
import subprocess

import numpy as np
import pytest

from configs.schema import Views
from data import DecodeError, video_views
from data.decoding.write import write_video
from tests.data.samples import counting_frames, decoded_numbers
from tests.data.streams import SETTINGS, VIEWS, joined, mirrored, replica_batches


def test_views_of_one_file_are_those_of_the_test_set(counting_set, clips):
    strategy = mirrored(1)
    whole = joined(replica_batches(strategy, clips.views(strategy)))[0]
    data = dataclasses.replace(SETTINGS, root=str(counting_set))
    single = video_views(
        str(counting_set / "UCF-101" / clips.test_videos[1]), data=data, views=VIEWS
    )

    np.testing.assert_array_equal(single, whole["clip"][whole["video"] == 1])


def test_a_clip_of_segments_shows_their_middles(tmp_path):
    """Of 17 frames and four segments: see tests/data/sampling/test_frames.py."""
    path = tmp_path / "video.avi"
    write_video(path, counting_frames(17))
    data = dataclasses.replace(SETTINGS, frame_sampling="segments")
    [clip] = video_views(str(path), data=data, views=Views(clips=1, crops=1))
    assert decoded_numbers(clip).tolist() == [2, 6, 10, 14]


def test_file_that_is_no_video_is_refused_without_harm(tmp_path):
    os.mkfifo(tmp_path / "pipe.avi")
    (tmp_path / "text.avi").write_text("no video")
    for name, reason in (("pipe.avi", "is not a file"), ("text.avi", "no video")):
        with pytest.raises(DecodeError, match=reason):
            video_views(str(tmp_path / name), data=SETTINGS, views=VIEWS)


def test_unusual_reading_is_told(tmp_path, caplog):
    if shutil.which("ffmpeg") is None:
        pytest.skip("written with ffmpeg")
    path = tmp_path / "tape.avi"
    source = "testsrc2=size=64x48:rate=25:duration=1"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source]
    subprocess.run([*command, "-flags", "+ilme+ildct", path], check=True)

    assert video_views(str(path), data=SETTINGS, views=VIEWS).any()
    assert "tape.avi is read by PyAV" in caplog.text
