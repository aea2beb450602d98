import numpy as np
import pytest

from data import synthetic
from data.decode import inspect_video
from data.synthetic import MOTIONS, positions, video_frames, write_dataset
from data.ucf101 import list_videos

FRAMES = synthetic.GRID**2


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(synthetic, "TRAIN_GROUPS", range(1, 3))
    monkeypatch.setattr(synthetic, "TEST_GROUPS", range(3, 4))
    monkeypatch.setattr(synthetic, "VIDEOS", 1)


def test_any_sixteen_frames_are_the_same_pictures_for_every_class():
    sets = []
    for motion in MOTIONS.values():
        frames = video_frames(motion, np.random.default_rng(5))
        windows = {
            tuple(sorted(frame.tobytes() for frame in frames[start : start + FRAMES]))
            for start in range(len(frames) - FRAMES + 1)
        }
        sets.append(windows)

    assert len(sets[0]) == 1 and all(windows == sets[0] for windows in sets)
    assert len(set(next(iter(sets[0])))) == FRAMES


@pytest.mark.parametrize("name", MOTIONS)
def test_commonest_step_goes_in_the_direction_of_the_class(name):
    moved = []
    for seed in range(50):
        path = positions(MOTIONS[name], 32, np.random.default_rng(seed))
        moved += [tuple(step) for step in np.diff(path, axis=0)]
    steps, counts = np.unique(moved, axis=0, return_counts=True)

    assert tuple(steps[counts.argmax()]) == MOTIONS[name]
    assert counts.max() > 2 * np.sort(counts)[-2]


def test_directory_is_complete_and_groups_are_disjoint(small, tmp_path):
    write_dataset(tmp_path)
    listing = list_videos(tmp_path, 1)

    assert listing.class_names == tuple(MOTIONS)
    assert (listing.train_size, len(listing.names)) == (12, 18)
    facts = inspect_video(listing.paths[0])
    assert facts["exact"] and facts["frames"] == facts["promised"] >= 24


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
