import dataclasses
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from configs.errors import ConfigError, DataError
from configs.schema import Data, Views
from data import open_clips, video_views
from data.decode import DecodeError, read_clip, write_video
from data.plan import train_plan
from data.sampling import spread_starts
from tests.data.samples import decoded_numbers, write_lists

SETTINGS = Data(batch_size=4, frames=4, frame_interval=2, size=16, threads=2)
VIEWS = Views(clips=2, crops=3, batch_size_per_replica=4)


def open_set(root, views=VIEWS, seed=5, **changes):
    return open_clips(
        dataclasses.replace(SETTINGS, root=str(root), **changes), views, seed=seed
    )


@pytest.fixture(scope="module")
def clips(counting_set):
    return open_set(counting_set)


class Workers:
    """Stands in for a strategy with several workers: each worker's dataset in turn."""

    def __init__(self, workers, replicas):
        self.workers, self.num_replicas_in_sync = workers, workers * replicas

    def distribute_datasets_from_function(self, create):
        return [
            create(
                tf.distribute.InputContext(
                    self.workers, worker, self.num_replicas_in_sync
                )
            )
            for worker in range(self.workers)
        ]


def mirrored(replicas):
    if replicas == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(replicas)])


def replica_batches(strategy, dataset, limit=None):
    """Lists of (features, label, weight) as arrays, one entry a replica and step."""
    batches = []
    for number, element in enumerate(dataset):
        if number == limit:
            break
        for replica in range(strategy.num_replicas_in_sync):
            batches.append(
                tf.nest.map_structure(
                    lambda value, r=replica: strategy.experimental_local_results(value)[
                        r
                    ].numpy(),
                    element,
                )
            )
    return batches


def joined(batches):
    """The batches of several replicas and steps as one."""
    return tf.nest.map_structure(lambda *parts: np.concatenate(parts), *batches)


def train(clips, steps, *, step=0, replicas=1):
    strategy = mirrored(replicas)
    return joined(replica_batches(strategy, clips.train(strategy, step), steps))


def assert_same(one, two):
    tf.nest.map_structure(np.testing.assert_array_equal, one, two)


def test_sizes_names_and_labels(clips):
    assert clips.class_names == ("Jump", "Run", "Walk")
    assert (clips.train_size, clips.validation_size, clips.test_size) == (11, 4, 4)
    assert clips.test_videos[0] == "Jump/v_Jump_g05_c01.avi"
    np.testing.assert_array_equal(clips.test_labels, [0, 0, 1, 2])


def test_elements_have_the_promised_types_and_shapes(clips):
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


def test_every_epoch_is_another_permutation(clips):
    features, *_ = train(clips, 11)  # 44 clips: four epochs
    epochs = features["video"].reshape(4, 11)

    assert (np.sort(epochs) == np.arange(11)).all()
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert len(np.unique(features["seed"], axis=0)) == 44


def test_order_depends_on_the_seed(counting_set, clips):
    other = open_set(counting_set, seed=6)

    assert (train(clips, 3)[0]["video"] != train(other, 3)[0]["video"]).any()


def test_labels_belong_to_their_videos(clips):
    features, label, _ = train(clips, 3)

    for video, value in zip(features["video"], label, strict=True):
        assert value == int(video >= 3) + int(video >= 7)


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_stream_from_a_step_is_the_rest_of_the_stream(clips, step):
    whole = train(clips, 8)

    assert_same(
        tf.nest.map_structure(lambda values: values[4 * step :], whole),
        train(clips, 8 - step, step=step),
    )


def test_stream_begins_anywhere_at_once(clips):
    features, *_ = train(clips, 1, step=10**12)

    assert len(features["video"]) == 4


@pytest.mark.parametrize("replicas", [2, 4])
def test_global_batches_do_not_depend_on_the_replicas(clips, replicas):
    assert_same(train(clips, 3), train(clips, 3, replicas=replicas))


@pytest.mark.parametrize(("workers", "replicas"), [(2, 1), (2, 2), (4, 1)])
def test_workers_read_only_their_slice_of_each_global_batch(clips, workers, replicas):
    whole = train(clips, 3)[0]
    parts = []
    for dataset in clips.train(Workers(workers, replicas), 0):
        own = [features for features, *_ in dataset.take(3 * replicas)]
        parts.append(
            {key: np.concatenate([f[key] for f in own]) for key in ("video", "seed")}
        )
    for key in ("video", "seed"):
        slices = [part[key].reshape(3, 4 // workers, -1) for part in parts]
        np.testing.assert_array_equal(
            np.concatenate(slices, axis=1).reshape(whole[key].shape), whole[key]
        )


def test_replicas_that_do_not_divide_the_batch_are_refused(clips):
    message = r"divisible by the 3 replicas; received 4, .* \[1, 2, 4\]"
    with pytest.raises(ConfigError, match=message):
        clips.train(mirrored(3), 0)
    with pytest.raises(ConfigError, match=message):
        clips.validation(mirrored(3))


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
    for position, place in enumerate(features["video"]):
        path, video = clips.train_file(place)
        plan = train_plan(video, SETTINGS, seed=5, position=position)
        expected = np.zeros((1, 4, 3, 16, 16), np.uint8)
        read_clip(
            path,
            frames=plan.frames,
            regions=plan.regions,
            size=16,
            flip=plan.flip,
            out=expected,
        )
        np.testing.assert_array_equal(features["clip"][position], expected[0])
        np.testing.assert_array_equal(features["seed"][position], plan.seed)


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


@pytest.mark.parametrize("replicas", [1, 2, 4])
@pytest.mark.parametrize("batch_size", [4, 12])
def test_validation_has_every_video_once_in_full_batches(
    counting_set, batch_size, replicas
):
    clips = open_set(
        counting_set,
        batch_size=batch_size,
        validation="groups",
        validation_groups=(2, 4),
    )
    strategy = mirrored(replicas)
    batches = replica_batches(strategy, clips.validation(strategy))
    features, label, weight = joined(batches)

    assert (clips.train_size, clips.validation_size) == (5, 6)
    assert {len(batch[1]) for batch in batches} == {batch_size // replicas}
    assert len(label) == -(-6 // batch_size) * batch_size
    np.testing.assert_array_equal(
        features["video"], [*range(6), *[-1] * (len(label) - 6)]
    )
    np.testing.assert_array_equal(weight, features["video"] >= 0)
    assert not features["clip"][6:].any()
    np.testing.assert_array_equal(label[:6], [0, 0, 1, 1, 2, 2])


def test_validation_clip_is_centred(clips):
    strategy = mirrored(1)
    features, *_ = joined(replica_batches(strategy, clips.validation(strategy)))
    # Group 5 of the first class has 22 frames; a clip spans 8, so 15 starts.
    np.testing.assert_array_equal(
        decoded_numbers(features["clip"][0]), 7 + 2 * np.arange(4)
    )


@pytest.mark.parametrize("replicas", [1, 2, 4])
@pytest.mark.parametrize(
    ("number", "crops", "batch"),
    [(2, 3, 4), (4, 3, 5), (1, 1, 3), (3, 1, 16), (5, 3, 1)],
)
def test_every_view_comes_exactly_once(counting_set, replicas, number, crops, batch):
    views = Views(clips=number, crops=crops, batch_size_per_replica=batch)
    clips = open_set(counting_set, views)
    strategy = mirrored(replicas)
    batches = replica_batches(strategy, clips.views(strategy))
    features, label, weight = joined(batches)
    real = weight > 0

    assert {len(part[1]) for part in batches} == {batch}
    pairs = list(zip(features["video"][real], features["view"][real], strict=True))
    assert sorted(pairs) == [(v, i) for v in range(4) for i in range(number * crops)]
    np.testing.assert_array_equal(
        label[real], clips.test_labels[features["video"][real]]
    )
    assert (features["video"][~real] == -1).all() and not features["clip"][~real].any()


@pytest.mark.parametrize(("workers", "replicas"), [(2, 1), (3, 2)])
def test_workers_share_views_and_validation_without_overlap(clips, workers, replicas):
    strategy = Workers(workers, replicas)
    pairs, steps = [], set()
    for dataset in clips.views(strategy):
        batches = list(dataset)
        steps.add(len(batches))
        for features, _, weight in batches:
            pairs += [
                (int(video), int(view))
                for video, view, w in zip(
                    features["video"], features["view"], weight, strict=True
                )
                if w
            ]
    assert len(steps) == 1 and steps.pop() % replicas == 0
    assert sorted(pairs) == [(v, i) for v in range(4) for i in range(6)]


def test_views_are_evenly_spaced_and_their_crops_go_left_to_right(counting_set):
    clips = open_set(counting_set, Views(clips=2, crops=3, batch_size_per_replica=6))
    strategy = mirrored(1)
    first = replica_batches(strategy, clips.views(strategy), 1)[0][0]

    np.testing.assert_array_equal(first["view"], np.arange(6))
    starts = decoded_numbers(first["clip"])[:, 0]
    np.testing.assert_array_equal(starts, np.repeat(spread_starts(22, 8, 2), 3))


def test_views_of_one_file_are_those_of_the_test_set(counting_set, clips):
    strategy = mirrored(1)
    whole = joined(replica_batches(strategy, clips.views(strategy)))[0]
    data = dataclasses.replace(SETTINGS, root=str(counting_set))
    single = video_views(
        str(counting_set / "UCF-101" / clips.test_videos[1]), data=data, views=VIEWS
    )

    np.testing.assert_array_equal(single, whole["clip"][whole["video"] == 1])


def test_file_gone_bad_keeps_its_place_with_weight_zero(counting_set, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(counting_set, root)
    clips = open_set(root)
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


def test_held_out_groups_must_exist(counting_set):
    with pytest.raises(DataError, match=r"training list, which has \[1, 2, 3, 4\]"):
        open_set(counting_set, validation="groups", validation_groups=(7,))
    with pytest.raises(DataError, match="No training video is left"):
        open_set(counting_set, validation="groups", validation_groups=(1, 2, 3, 4))


def test_nothing_is_measured_where_nothing_is_asked_for(counting_set):
    clips = open_set(counting_set, validation="none")
    strategy = mirrored(1)

    assert clips.validation_size == 0
    assert not list(clips.validation(strategy))


def test_fingerprints_tell_sets_apart_but_not_places(counting_set, tmp_path):
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


def test_mistake_in_the_reading_code_ends_the_stream_with_its_message(
    clips, monkeypatch
):
    def fail(*_, **__):
        raise ZeroDivisionError("a mistake in the reading code")

    monkeypatch.setattr("data.files.read_clip", fail)
    with pytest.raises(tf.errors.UnknownError, match="a mistake in the reading code"):
        train(clips, 1)


@pytest.fixture
def damaged(counting_set, tmp_path):
    """A copy of the set in which two training and one test video are bad."""
    root = tmp_path / "damaged"
    shutil.copytree(counting_set, root)
    for name in BAD_TRAIN + BAD_TEST:
        (root / "UCF-101" / name).write_bytes(b"no video")
    return root


BAD_TRAIN = ("Run/v_Run_g02_c01.avi", "Walk/v_Walk_g04_c01.avi")
BAD_TEST = ("Jump/v_Jump_g06_c01.avi",)


def test_run_with_bad_files_equals_the_run_on_the_good_list(
    damaged, counting_set, tmp_path
):
    good = tmp_path / "good"
    shutil.copytree(counting_set, good)
    lists = good / "ucfTrainTestlist/trainlist01.txt"
    lines = lists.read_text().splitlines()
    lists.write_text("\n".join(line for line in lines if line[:-2] not in BAD_TRAIN))

    clips = open_set(damaged, bad_share=0.2)
    clean = open_set(good)

    assert clips.train_size == clean.train_size == 9
    assert set(clips.bad_train_videos) == set(BAD_TRAIN)
    assert clips.train_fingerprint == clean.train_fingerprint
    assert_same(train(clips, 5), train(clean, 5))


def test_what_was_bad_when_a_run_began_can_stay_out(damaged, counting_set):
    clips = open_set(damaged, bad_share=0.2)
    data = dataclasses.replace(SETTINGS, root=str(counting_set))
    healed = open_clips(data, VIEWS, seed=5, leave_out=clips.left_out)

    assert clips.left_out == healed.left_out == BAD_TRAIN
    assert not healed.bad_train_videos
    assert healed.train_fingerprint == clips.train_fingerprint
    assert_same(train(clips, 5), train(healed, 5))


def test_bad_test_video_keeps_its_place_in_the_denominator(damaged, counting_set):
    clips = open_set(damaged, bad_share=0.2)
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
        open_set(damaged, bad_share=0.1)
    with pytest.raises(DataError, match="allows 0"):
        open_set(damaged)


def test_file_that_is_no_video_is_refused_without_harm(tmp_path):
    os.mkfifo(tmp_path / "pipe.avi")
    (tmp_path / "text.avi").write_text("no video")
    for name, reason in (("pipe.avi", "is not a file"), ("text.avi", "no video")):
        with pytest.raises(DecodeError, match=reason):
            video_views(str(tmp_path / name), data=SETTINGS, views=VIEWS)
