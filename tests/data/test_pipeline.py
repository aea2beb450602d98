import numpy as np
import pytest
import tensorflow as tf

from configs.command.errors import ConfigError
from configs.schema import Views
from data.pipeline import batch_positions, view_positions
from tests.data.streams import (
    Workers,
    assert_same,
    joined,
    mirrored,
    open_set,
    replica_batches,
    train,
)


def test_every_epoch_is_another_permutation(clips):
    features, *_ = train(clips, 11)  # 44 clips: four epochs
    epochs = features["video"].reshape(4, 11)

    assert (np.sort(epochs) == np.arange(11)).all()
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert len(np.unique(features["seed"], axis=0)) == 44


def test_order_depends_on_the_seed(counting_set, clips):
    other = open_set(counting_set, seed=6)

    assert (train(clips, 3)[0]["video"] != train(other, 3)[0]["video"]).any()


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


def test_classes_in_turn_do_not_depend_on_replicas_workers_or_where_it_begins(
    counting_set, clips
):
    """11 videos: 3, 4 and 4 of three classes."""
    balanced = open_set(counting_set, sampling="balanced")
    whole = train(balanced, 22)  # 88 clips: eight epochs
    for labels in whole[1].reshape(8, 11):
        assert np.ptp(np.bincount(labels, minlength=3)) == 1
    np.testing.assert_array_equal(whole[1], balanced.train_labels[whole[0]["video"]])
    for replicas in (2, 4):
        assert_same(whole, train(balanced, 22, replicas=replicas))
    rest = tf.nest.map_structure(lambda values: values[4 * 13 :], whole)
    assert_same(rest, train(balanced, 9, step=13))
    slices = [
        np.concatenate([f["video"] for f, *_ in dataset.take(22)])
        for dataset in balanced.train(Workers(2, 1), 0)
    ]
    joined_slices = np.stack([part.reshape(22, 2) for part in slices], axis=1)
    np.testing.assert_array_equal(joined_slices.reshape(-1), whole[0]["video"])
    # What is done to the clip at a position is as before.
    np.testing.assert_array_equal(whole[0]["seed"], train(clips, 22)[0]["seed"])


def test_replicas_that_do_not_divide_the_batch_are_refused(clips):
    message = r"divisible by the 3 replicas; received 4, .* \[1, 2, 4\]"
    with pytest.raises(ConfigError, match=message):
        clips.train(mirrored(3), 0)
    with pytest.raises(ConfigError, match=message):
        clips.validation(mirrored(3))


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


def test_examples_in_the_docstrings_hold():
    worker = tf.distribute.InputContext(3, 1, 3)
    numbers = batch_positions(worker, 12, 5, 1).as_numpy_iterator()
    assert list(numbers) == [64, 65, 66, 67]

    expected = ([0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11])
    for worker, read in enumerate(expected):
        context = tf.distribute.InputContext(2, worker, 4)
        numbers, batches = view_positions(context, 10, crops=3, batch=4)
        assert list(numbers.as_numpy_iterator()) == read
        assert batches == 4


@pytest.mark.parametrize(("workers", "replicas"), [(2, 1), (3, 2)])
def test_workers_divide_the_views_without_overlap(clips, workers, replicas):
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


@pytest.mark.parametrize("stream", ["train", "validation", "views"])
def test_streams_end_at_once_as_nothing_tunes_them(counting_set, stream):
    # A stream with a tuner ended 7 to 15 seconds late in a quarter of all evaluations.
    clips = open_set(counting_set, validation="groups", validation_groups=(2, 4))
    streams = {
        "train": lambda strategy: clips.train(strategy, step=0),
        "validation": clips.validation,
        "views": clips.views,
    }
    for dataset in streams[stream](Workers(2, 2)):
        assert dataset.options().autotune.enabled is False


def test_mistake_in_the_reading_code_ends_the_stream_with_its_message(
    clips, monkeypatch
):
    def fail(*_, **__):
        raise ZeroDivisionError("a mistake in the reading code")

    monkeypatch.setattr("data.sources.files.read_clip", fail)
    with pytest.raises(tf.errors.UnknownError, match="a mistake in the reading code"):
        train(clips, 1)
