import dataclasses
import shutil

import numpy as np
import pytest

from configs.command.errors import DataError
from data import open_clips
from tests.data.streams import (
    SETTINGS,
    VIEWS,
    assert_same,
    joined,
    mirrored,
    open_set,
    replica_batches,
    train,
)

BAD_TRAIN = ("Run/v_Run_g02_c01.avi", "Walk/v_Walk_g04_c01.avi")
BAD_TEST = ("Jump/v_Jump_g06_c01.avi",)


def test_validation_groups_must_exist(counting_set):
    with pytest.raises(DataError, match=r"training list, which has \[1, 2, 3, 4\]"):
        open_set(counting_set, validation="groups", validation_groups=(7,))
    with pytest.raises(DataError, match="No training video is left"):
        open_set(counting_set, validation="groups", validation_groups=(1, 2, 3, 4))


def test_fingerprints_tell_sets_apart_but_not_directories(counting_set, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(counting_set, root)

    def fingerprints(root):
        clips = open_set(root)
        return clips.train_fingerprint, clips.evaluation_fingerprint

    train, evaluation = fingerprints(counting_set)
    assert fingerprints(root) == (train, evaluation)

    for name, same in (("testlist01", (True, False)), ("trainlist01", (False, False))):
        path = root / f"ucfTrainTestlist/{name}.txt"
        path.write_text("\n".join(path.read_text().splitlines()[1:]))
        now = fingerprints(root)
        assert (now[0] == train, now[1] == evaluation) == same


@pytest.fixture
def damaged(counting_set, tmp_path):
    """A copy of the set in which two training and one test video are bad."""
    root = tmp_path / "damaged"
    shutil.copytree(counting_set, root)
    for name in BAD_TRAIN + BAD_TEST:
        (root / "UCF-101" / name).write_bytes(b"no video")
    return root


def test_run_with_bad_files_equals_the_run_on_the_good_list(
    damaged, counting_set, tmp_path
):
    good = tmp_path / "good"
    shutil.copytree(counting_set, good)
    lists = good / "ucfTrainTestlist/trainlist01.txt"
    lines = lists.read_text().splitlines()
    lists.write_text("\n".join(line for line in lines if line[:-2] not in BAD_TRAIN))

    clips = open_set(damaged, max_bad_fraction=0.2)
    clean = open_set(good)

    assert clips.train_size == clean.train_size == 9
    assert set(clips.bad_train_videos) == set(BAD_TRAIN)
    assert clips.train_fingerprint == clean.train_fingerprint
    assert_same(train(clips, 5), train(clean, 5))


def test_what_was_bad_when_a_run_began_can_stay_out(damaged, counting_set):
    clips = open_set(damaged, max_bad_fraction=0.2)
    data = dataclasses.replace(SETTINGS, root=str(counting_set))
    healed = open_clips(data, VIEWS, seed=5, leave_out=clips.left_out)

    assert clips.left_out == healed.left_out == BAD_TRAIN
    assert not healed.bad_train_videos
    assert healed.train_fingerprint == clips.train_fingerprint
    assert_same(train(clips, 5), train(healed, 5))


def test_bad_test_video_stays_in_the_denominator(damaged, counting_set):
    clips = open_set(damaged, max_bad_fraction=0.2)
    whole = open_set(counting_set)
    strategy = mirrored(1)

    assert clips.test_videos == whole.test_videos
    np.testing.assert_array_equal(clips.test_labels, whole.test_labels)
    assert list(clips.bad_test_videos) == list(BAD_TEST)
    for stream in ("views", "validation"):
        features, label, weight = joined(
            replica_batches(strategy, getattr(clips, stream)(strategy))
        )
        same, same_label, same_weight = joined(
            replica_batches(strategy, getattr(whole, stream)(strategy))
        )
        bad = features["video"] == clips.test_videos.index(BAD_TEST[0])
        assert not weight[bad].any() and not features["clip"][bad].any()
        np.testing.assert_array_equal(weight[~bad], same_weight[~bad])
        np.testing.assert_array_equal(label, same_label)
        np.testing.assert_array_equal(features["clip"][~bad], same["clip"][~bad])


def test_too_many_bad_training_videos_are_refused(damaged):
    message = r"2 of 11 training videos cannot be read, .*=0.1 allows 1; .*v_Run_g02"
    with pytest.raises(DataError, match=message):
        open_set(damaged, max_bad_fraction=0.1)
    with pytest.raises(DataError, match="2 of 11 .*=0.01 allows 1"):
        open_set(damaged)


def test_one_bad_training_video_is_always_allowed_but_at_zero(damaged, counting_set):
    name = BAD_TRAIN[0]
    shutil.copyfile(counting_set / "UCF-101" / name, damaged / "UCF-101" / name)
    assert list(open_set(damaged).bad_train_videos) == [BAD_TRAIN[1]]
    with pytest.raises(DataError, match="1 of 11 .*=0.0 allows 0"):
        open_set(damaged, max_bad_fraction=0.0)


@pytest.mark.parametrize(
    ("fraction", "videos", "allowed"),
    [(0.01, 50, 1), (0.01, 199, 1), (0.01, 200, 2), (0.0, 200, 0), (0.5, 1, 1)],
)
def test_how_many_bad_videos_are_allowed(fraction, videos, allowed):
    data = dataclasses.replace(SETTINGS, max_bad_fraction=fraction)
    assert data.bad_allowed(videos) == allowed
