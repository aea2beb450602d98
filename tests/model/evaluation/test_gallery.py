"""The gallery shows what it says, and its pictures are small."""

import io
import os
import urllib.parse

import numpy as np
import pytest
from matplotlib import image

from model.evaluation.gallery import (
    FRAMES,
    HITS,
    LARGEST,
    MISTAKES,
    SIDE,
    choose,
    file_url,
    gallery,
    strip,
)
from model.evaluation.metrics import predictions
from tests.model.evaluation.synthetic import synthetic


def test_the_surest_mistakes_and_the_closest_hits_are_chosen():
    _, _, probabilities, clips = synthetic("abcd", 200, right=0.5)
    mean, labels = probabilities.mean, clips.test_labels
    readable = np.arange(200) % 5 > 0
    mistakes, hits = choose(mean, readable, labels)
    likely, highest = predictions(mean, readable), mean.max(axis=1)
    assert (len(mistakes), len(hits)) == (MISTAKES, HITS)
    wrong = (likely >= 0) & (likely != labels)
    right = likely == labels
    assert sorted(highest[wrong])[: -MISTAKES - 1 : -1] == list(highest[mistakes])
    assert sorted(highest[right])[:HITS] == list(highest[hits])
    assert wrong[mistakes].all() and right[hits].all()


def test_videos_without_a_prediction_are_not_shown():
    mean = np.array([[0.5, 0.5], [np.nan, 1], [0, 0], [0.4, 0.6]])
    readable = np.array([True, True, False, True])
    assert choose(mean, readable, np.array([0, 0, 0, 0])) == ([3], [])


@pytest.mark.parametrize("frames, size", [(1, 8), (3, 32), (16, 112), (32, 224)])
def test_a_strip_holds_frames_of_the_whole_clip_side_by_side(frames, size):
    shades = np.linspace(0, 250, frames).astype(np.uint8)
    clip = np.broadcast_to(shades[:, None, None, None], (frames, 3, size, size))
    content, count = strip(clip)
    assert count == min(FRAMES, frames)
    picture = image.imread(io.BytesIO(content), format="jpeg")
    side = picture.shape[0]
    assert picture.shape == (side, side * count, 3) and side <= SIDE
    middles = picture[side // 2, side // 2 :: side].mean(axis=1)
    assert np.abs([middles[0] - shades[0], middles[-1] - shades[-1]]).max() <= 4
    assert (np.diff(middles) > 0).all()


def test_colours_and_places_are_those_of_the_clip():
    clip = np.zeros((2, 3, 64, 64), np.uint8)
    clip[:, 0, :32] = 250  # Red above, blue below on the right.
    clip[:, 2, 32:, 32:] = 250
    picture = image.imread(io.BytesIO(strip(clip)[0]), format="jpeg").astype(int)
    assert np.abs(picture[16, 16] - (250, 0, 0)).max() < 20
    assert np.abs(picture[48, 48] - (0, 0, 250)).max() < 20
    assert np.abs(picture[48, 16]).max() < 20


def test_noise_takes_no_more_room_than_allowed():
    clip = np.random.default_rng(0).integers(0, 256, (32, 3, SIDE, SIDE), np.uint8)
    assert len(strip(clip)[0]) <= LARGEST


def test_links_lead_to_files_whatever_they_are_called(tmp_path):
    path = os.path.join(tmp_path, 'a "b" #1?<&\u202e\udcff.avi')
    with open(path, "wb"):
        url = file_url(path)
    assert url.startswith("file:///") and url.isascii()
    assert not set(url) & set(' "<#?')
    assert os.fsdecode(urllib.parse.unquote_to_bytes(url[len("file://") :])) == path
    assert file_url(str(tmp_path / "gone.avi")) is None
    assert file_url("javascript:alert(1)") is None
    assert file_url("gs://bucket/a.avi") is None


def test_a_video_that_cannot_be_read_any_more_has_no_picture(tmp_path):
    _, _, probabilities, clips = synthetic("abcd", 20, right=0.5)
    path = tmp_path / "a.avi"
    path.touch()
    clips.test_paths = (str(path),) * 20
    clips.centre_view = lambda video: None
    mistakes, hits = gallery(probabilities, clips)
    assert mistakes and hits
    for example in mistakes + hits:
        assert (example.strip, example.frames) == (None, 0)
        assert example.link == path.as_uri()
        assert example.is_hit == (example in hits)
