import numpy as np
import pytest

from data import synthetic
from data.decoding.inspect import inspect_video
from data.sources.ucf101 import list_videos
from data.synthetic import MOTIONS, SIZE, STEP, video_frames, write_dataset


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(synthetic, "TRAIN_GROUPS", range(1, 3))
    monkeypatch.setattr(synthetic, "TEST_GROUPS", range(3, 4))
    monkeypatch.setattr(synthetic, "VIDEOS", 1)


def test_every_class_begins_with_the_same_picture():
    first = {
        video_frames(motion, np.random.default_rng(5))[0].tobytes()
        for motion in MOTIONS.values()
    }
    assert len(first) == 1


@pytest.mark.parametrize("name", MOTIONS)
def test_the_opposite_class_shows_the_same_frames_in_the_opposite_order(name):
    down, right = MOTIONS[name]
    frames, opposite = (
        video_frames(motion, np.random.default_rng(5))
        for motion in ((down, right), (-down, -right))
    )
    turn = SIZE // STEP  # frames after which the torus has been crossed
    np.testing.assert_array_equal(frames[1:turn], opposite[turn - 1 : 0 : -1])
    assert (frames[1] != opposite[1]).any()


@pytest.mark.parametrize("name", MOTIONS)
def test_frames_move_in_the_direction_of_the_class(name):
    frames = video_frames(MOTIONS[name], np.random.default_rng(5))
    shift = STEP * np.array(MOTIONS[name])
    for before, after in zip(frames[:-1], frames[1:], strict=True):
        np.testing.assert_array_equal(np.roll(before, shift, axis=(0, 1)), after)


def test_directory_is_complete_and_groups_are_disjoint(small, tmp_path):
    write_dataset(tmp_path)
    listing = list_videos(tmp_path, 1)

    assert listing.class_names == tuple(MOTIONS)
    assert (listing.train_size, len(listing.names)) == (16, 24)
    facts = inspect_video(listing.paths[0])
    assert facts["seek_exact"] and facts["frames"] == facts["header_frames"] >= 24


def test_same_seed_writes_the_same_files(small, tmp_path):
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        write_dataset(tmp_path / name, seed)
    one, two, other = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*.avi")
        }
        for name in ("one", "two", "other")
    )

    assert one == two
    assert all(one[path] != other[path] for path in one)
