import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf

from configs.command.errors import ConfigError, DataError
from configs.schema import Views
from data.clips import Clips
from data.decoding.video import read_clip
from data.decoding.write import write_video
from data.sampling.frames import spread_starts
from data.sampling.plan import train_plan
from tests.data.samples import decoded_numbers, write_lists
from tests.data.streams import (
    SETTINGS,
    assert_same,
    joined,
    mirrored,
    open_set,
    replica_batches,
    train,
)


def test_sizes_names_and_labels(clips):
    assert clips.class_names == ("Jump", "Run", "Walk")
    assert (clips.train_size, clips.validation_size, clips.test_size) == (11, 4, 4)
    assert clips.test_videos[0] == "Jump/v_Jump_g05_c01.avi"
    np.testing.assert_array_equal(clips.test_labels, [0, 0, 1, 2])


def test_identity_is_what_must_stay_while_a_run_continues(clips):
    assert clips.identity == {
        "class_names": clips.class_names,
        "train_size": 11,
        "left_out": (),
        "train_fingerprint": clips.train_fingerprint,
        "evaluation_fingerprint": clips.evaluation_fingerprint,
    }


def test_a_rate_that_no_file_says_is_missed_before_anything_is_read(clips):
    source = clips._source
    videos = tuple(dataclasses.replace(video, fps=0.0) for video in source.videos)
    source = dataclasses.replace(source, videos=videos)
    views = Views(sampling="torchvision")
    with pytest.raises(ConfigError, match=r"rate, as Jump/v_Jump_g05_c01\.avi"):
        Clips(source, SETTINGS, views, seed=0)


def test_elements_have_the_documented_types_and_shapes(clips):
    features, label, weight = train(clips, 1)

    assert features["clip"].shape == (4, 4, 3, 16, 16)
    assert features["clip"].dtype == np.uint8
    assert features["seed"].shape == (4, 2) and features["seed"].dtype == np.int32
    assert features["video"].dtype == label.dtype == np.int32
    assert weight.dtype == np.float32 and (weight == 1).all()
    strategy = tf.distribute.get_strategy()
    spec = clips.train(strategy, 0).element_spec[0]
    assert spec["clip"].shape.as_list() == [None, 4, 3, 16, 16]
    assert spec["seed"].shape.as_list() == [None, 2]


def test_labels_belong_to_their_videos(clips):
    features, label, _ = train(clips, 3)

    for video, value in zip(features["video"], label, strict=True):
        assert value == int(video >= 3) + int(video >= 7)


def test_clips_differ_from_epoch_to_epoch_and_hold_consecutive_frames(clips):
    features, *_ = train(clips, 22)
    numbers = decoded_numbers(features["clip"])
    starts = {}
    for video, frames in zip(features["video"], numbers, strict=True):
        np.testing.assert_array_equal(np.diff(frames), 2)
        starts.setdefault(video, set()).add(frames[0])

    assert all(len(values) > 2 for values in starts.values())


def test_stream_holds_what_the_plans_say(clips):
    """What tf.data yields is what the same functions give when called directly."""
    features, *_ = train(clips, 6)
    for position, index in enumerate(features["video"]):
        path, video = clips.train_file(index)
        plan = train_plan(video, SETTINGS, seed=5, position=position)
        expected = np.zeros((1, 4, 3, 16, 16), np.uint8)
        read_clip(
            path,
            video,
            frames=plan.frames,
            regions=plan.regions,
            size=16,
            flip=plan.flip,
            out=expected,
        )
        np.testing.assert_array_equal(features["clip"][position], expected[0])
        np.testing.assert_array_equal(features["seed"][position], plan.seed)


def test_the_first_clips_are_those_of_the_stream(clips):
    features, labels, weights = next(iter(clips.train(tf.distribute.get_strategy(), 0)))
    found = clips.first(len(labels))
    shown, class_names, videos, found_weights = zip(*found, strict=True)
    np.testing.assert_array_equal(shown, features["clip"])
    assert class_names == tuple(clips.class_names[label] for label in labels)
    assert videos == tuple(clips.train_videos[video] for video in features["video"])
    np.testing.assert_array_equal(found_weights, weights)


def test_all_frames_of_a_clip_are_augmented_alike(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (1, 24, 32, 3), np.uint8)
    still = np.repeat(picture, 12, axis=0)
    names = [f"Jump/v_Jump_g0{group}_c01.avi" for group in range(1, 4)]
    (tmp_path / "UCF-101/Jump").mkdir(parents=True)
    for name in names:
        write_video(tmp_path / "UCF-101" / name, still)
    write_lists(tmp_path, [f"{name} 1" for name in names[:2]], names[2:], ("Jump",))

    clip = train(open_set(tmp_path), 6)[0]["clip"]

    np.testing.assert_array_equal(clip, np.repeat(clip[:, :1], 4, axis=1))
    assert len({frame.tobytes() for frame in clip[:, 0]}) == len(clip)


def test_shuffled_frames_are_the_same_frames_in_another_order(counting_set, clips):
    shuffled = open_set(counting_set, shuffle_frames=True)
    plain = decoded_numbers(train(clips, 3)[0]["clip"])
    mixed = decoded_numbers(train(shuffled, 3)[0]["clip"])

    assert (plain != mixed).any()
    np.testing.assert_array_equal(np.sort(mixed), plain)
    for stream in ("validation", "views"):
        strategy = mirrored(1)
        plain, mixed = (
            joined(replica_batches(strategy, getattr(c, stream)(strategy)))[0]["clip"]
            for c in (clips, shuffled)
        )
        assert (plain != mixed).any()
        np.testing.assert_array_equal(
            np.sort(decoded_numbers(plain)), np.sort(decoded_numbers(mixed))
        )


def test_training_clips_of_segments_reach_over_the_whole_video(counting_set):
    segments = open_set(counting_set, frame_sampling="segments")
    features, *_ = train(segments, 40)
    clips, videos = decoded_numbers(features["clip"]), features["video"]
    counts = np.array([segments.train_file(i)[1].frames for i in videos])
    assert (np.diff(clips, axis=1) >= 0).all()
    ends = np.rint((counts - 1)[:, None] / 4 * np.arange(5))
    assert (ends[:, :-1] <= clips).all() and (clips <= ends[:, 1:]).all()
    assert (clips[:, 0] == 0).any() and (clips[:, -1] == counts - 1).any()
    assert_same(train(segments, 2, step=38)[0]["clip"], features["clip"][-8:])


def test_validation_clip_is_centred(clips):
    strategy = mirrored(1)
    features, *_ = joined(replica_batches(strategy, clips.validation(strategy)))
    # Group 5 of the first class has 22 frames; a clip spans 8, so 15 starts.
    np.testing.assert_array_equal(
        decoded_numbers(features["clip"][0]), 7 + 2 * np.arange(4)
    )


def test_views_are_evenly_spaced_and_their_crops_go_left_to_right(counting_set):
    clips = open_set(counting_set, Views(clips=2, crops=3, batch_size_per_replica=6))
    strategy = mirrored(1)
    first = replica_batches(strategy, clips.views(strategy), 1)[0][0]

    np.testing.assert_array_equal(first["view"], np.arange(6))
    starts = decoded_numbers(first["clip"])[:, 0]
    np.testing.assert_array_equal(starts, np.repeat(spread_starts(22, 8, 2), 3))


@pytest.mark.parametrize("views", [Views(clips=4, crops=3), Views(clips=1, crops=1)])
def test_the_centre_view_is_the_middle_crop_of_the_middle_clip(counting_set, views):
    clips = open_set(counting_set, views)
    middle = views.clips // 2 * views.crops + views.crops // 2
    for video in range(clips.test_size):
        expected = clips.views_of(video)[middle]
        np.testing.assert_array_equal(clips.centre_view(video), expected)


def test_a_test_video_that_is_gone_has_a_path_and_no_view(counting_set, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(counting_set, root)
    clips = open_set(root)
    path = root / "UCF-101" / clips.test_videos[2]
    assert clips.test_paths[2] == str(path)
    path.unlink()
    assert clips.centre_view(2) is None
    assert clips.centre_view(1) is not None


def test_file_gone_bad_keeps_its_position_with_weight_zero(counting_set, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(counting_set, root)
    clips = open_set(root, max_bad_fraction=0.0)
    before = train(clips, 6)
    name = "Run/v_Run_g02_c01.avi"
    (root / "UCF-101" / name).write_bytes(b"")

    features, label, weight = train(clips, 6)

    gone = features["video"] == 4
    assert gone.any()
    np.testing.assert_array_equal(weight, ~gone)
    assert not features["clip"][gone].any()
    np.testing.assert_array_equal(features["video"], before[0]["video"])
    np.testing.assert_array_equal(label, before[1])
    np.testing.assert_array_equal(features["clip"][~gone], before[0]["clip"][~gone])
    assert set(clips.lost) == {name}
    with pytest.raises(
        DataError, match="1 training videos can no longer be.*v_Run_g02"
    ):
        clips.check_lost()


def test_test_videos_gone_bad_do_not_stop_the_training(counting_set, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(counting_set, root)
    clips = open_set(root)
    (root / "UCF-101" / clips.test_videos[2]).unlink()
    strategy = mirrored(1)
    features, _, weight = joined(replica_batches(strategy, clips.views(strategy)))

    assert not weight[features["video"] == 2].any()
    assert list(clips.lost) == [clips.test_videos[2]]
    clips.check_lost()


def test_nothing_is_measured_where_nothing_is_asked_for(counting_set):
    clips = open_set(counting_set, validation="none")
    strategy = mirrored(1)

    assert clips.validation_size == 0
    assert not list(clips.validation(strategy))
