import dataclasses

import numpy as np
import pytest

from configs.schema import Views
from data import DecodeError, views_of_files
from data.decoding.write import write_video
from data.sliding import TOGETHER, Place, Window, windows_of_files
from tests.data.samples import counting_frames, decoded_numbers
from tests.data.streams import SETTINGS


@pytest.fixture
def video(tmp_path):
    path = str(tmp_path / "video.avi")
    write_video(path, counting_frames(30))
    return path


def windows(*paths, stride=3, crops=1, **changes):
    data = dataclasses.replace(SETTINGS, **changes)
    views = Views(crops=crops)
    return list(windows_of_files(paths, data=data, views=views, stride=stride))


def test_clips_slide_over_the_whole_video(video):
    """Clips of four frames, two apart, span 7."""
    found = windows(video)
    starts = [0, 3, 6, 9, 12, 15, 18, 21, 23]
    assert [key for key, _ in found] == [
        Place(0, video, Window(start, start + 6, 25.0)) for start in starts
    ]
    for start, (_, clip) in zip(starts, found, strict=True):
        assert decoded_numbers(clip)[0].tolist() == [start + 2 * n for n in range(4)]
    assert found[1][0].window.seconds == (3 / 25, 10 / 25)
    assert len(found) > TOGETHER  # They are read in two groups.


@pytest.mark.parametrize("threads", [1, 3])
def test_neither_threads_nor_stride_change_a_clip(video, threads):
    one = dict(windows(video, stride=1, threads=threads))
    for key, clip in windows(video, stride=5):
        np.testing.assert_array_equal(clip, one[key])


def test_a_single_clip_is_that_of_an_evaluation(tmp_path):
    path = str(tmp_path / "short.avi")
    write_video(path, counting_frames(5, height=24, width=40))
    [(key, clip)] = windows(path, crops=3)
    assert key == Place(0, path, Window(0, 4, 25.0))
    views = Views(clips=1, crops=3)
    [(_, expected)] = views_of_files([path], data=SETTINGS, views=views)
    np.testing.assert_array_equal(clip, expected)


def test_a_bad_file_costs_no_other(video, tmp_path):
    (tmp_path / "bad.avi").write_text("no video")
    bad = str(tmp_path / "bad.avi")
    one, two, first, *rest = windows(bad, bad, video)
    errors = [one, two]
    assert [place for place, _ in errors] == [Place(0, bad), Place(1, bad)]
    assert all(isinstance(error, DecodeError) for _, error in errors)
    assert first[0].number == 2 and len(rest) == 8


def test_a_file_that_changes_meanwhile_is_told(video):
    clips = windows_of_files([video], data=SETTINGS, views=Views(crops=1), stride=1)
    place, _ = next(clips)
    assert (place.path, place.window.first) == (video, 0)
    write_video(video, counting_frames(5))
    errors = [clip for key, clip in clips if key == Place(0, video)]
    assert errors and all(isinstance(error, DecodeError) for error in errors)


def test_where_the_rate_is_not_known_there_are_no_seconds():
    assert Window(3, 9, 0.0).seconds is None


def test_a_place_is_told_with_its_frames():
    assert str(Place(0, "a.mp4")) == "a.mp4"
    assert str(Place(0, "a.mp4", Window(3, 9, 25.0))) == "a.mp4, frames 3-9"
