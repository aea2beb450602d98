"""Every view once, whatever the replicas and the batches; means of probabilities."""

import contextlib
import math

import numpy as np
import pytest
import tensorflow as tf

from configs.schema import Model, Views
from model import Evaluator, create_model
from model.evaluation.evaluator import Sums
from tests.replicas import mirrored

CLASSES = 3


def model(clip, training):
    """Logits that are the clip's first numbers."""
    assert training is False
    return tf.cast(clip[:, 0, 0, 0, :CLASSES], tf.float32)


def all_views(videos, views, batch, replicas):
    """A distributed data set of all views, padded, and their probabilities.

    Returns:
        (strategy, data set, float64 [videos, clips, crops, classes]).
    """
    count, total = views.count, videos * views.count
    batches = math.ceil(total / (batch * replicas)) * replicas
    generator = np.random.default_rng(videos)
    clip = np.zeros([batches * batch, 1, 3, 1, CLASSES], np.uint8)
    clip[:total, 0, 0, 0] = generator.integers(0, 5, [total, CLASSES])
    number = np.arange(batches * batch)
    video = np.where(number < total, number // count, -1).astype(np.int32)
    element = (
        {"clip": clip, "video": video, "view": (number % count).astype(np.int32)},
        np.zeros_like(video),
        (video >= 0).astype(np.float32),
    )
    strategy = mirrored(replicas)
    dataset = strategy.distribute_datasets_from_function(
        lambda _: tf.data.Dataset.from_tensor_slices(element).batch(batch)
    )
    softmax = tf.nn.softmax(clip[:total, 0, 0, 0].astype(np.float64)).numpy()
    return strategy, dataset, softmax.reshape(videos, views.clips, views.crops, CLASSES)


@pytest.mark.parametrize("replicas", [1, 2, 4])
@pytest.mark.parametrize("videos", [1, 7, 9])
@pytest.mark.parametrize(
    ("clips", "crops", "batch"), [(1, 1, 4), (2, 3, 5), (3, 1, 4), (4, 3, 4)]
)
def test_means_are_over_all_views_and_those_of_the_middle_clip(
    replicas, videos, clips, crops, batch
):
    views = Views(clips=clips, crops=crops)
    strategy, dataset, expected = all_views(videos, views, batch, replicas)
    batches = []
    evaluator = Evaluator(
        model,
        strategy,
        after_batch=lambda: batches.append(1),
        clock=lambda: 5.0 * len(batches),
    )
    result = evaluator(dataset, videos=videos, views=views)
    middle = expected[:, clips // 2]
    for name, value in {
        "mean": expected.mean(axis=(1, 2)),
        "single_clip": middle.mean(axis=1),
        "single_view": middle[:, crops // 2],
    }.items():
        np.testing.assert_allclose(getattr(result, name), value, atol=1e-6)
    assert result.readable.all()
    assert len(batches) == math.ceil(videos * views.count / (batch * replicas))
    assert result.seconds == 5 * len(batches)


BACKBONE = Model(
    embed_dim=16,
    depths=(2, 2),
    num_heads=(1, 2),
    window_size=(2, 4, 4),
    patch_size=(2, 4, 4),
)


def test_replicas_change_no_bit():
    """What is published does not depend on how many devices have computed it."""
    clips = np.random.default_rng(0).integers(0, 256, [12, 8, 3, 64, 64], np.uint8)
    inputs = {"clip": clips, "video": np.arange(12)}
    elements = inputs, np.zeros(12, np.int32), np.ones(12, np.float32)

    def measured(replicas):
        strategy = mirrored(replicas)
        dataset = strategy.distribute_datasets_from_function(
            lambda _: tf.data.Dataset.from_tensor_slices(elements).batch(6 // replicas)
        )
        with strategy.scope():
            network = create_model(BACKBONE, num_classes=5, seed=0)
        return Evaluator(network, strategy)(dataset, videos=12).mean

    expected = measured(1)
    for replicas in (2, 3):
        np.testing.assert_array_equal(measured(replicas), expected)


def random_views(videos, views, seed):
    """All views of some videos, in their order, as `Sums.add` takes them."""
    generator = np.random.default_rng(seed)
    # Of many magnitudes: their sum depends on the order of the additions.
    logits = generator.normal(scale=20, size=[videos * views.count, CLASSES])
    number = np.arange(len(logits))
    probabilities = tf.nn.softmax(logits.astype(np.float32)).numpy()
    return number // views.count, number % views.count, probabilities


def summed(parts, videos, views):
    """The `Probabilities` of batches of views."""
    sums = Sums(videos, views)
    for video, view, probabilities in parts:
        sums.add(video, view, np.ones(len(video)), probabilities)
    return sums.means(seconds=1.0)


@pytest.mark.parametrize("seed", range(5))
def test_what_the_middle_clip_gives_depends_on_no_order_and_no_batch(seed):
    """Bit for bit, as workers take turns in reading clips, whatever their number."""
    videos, views = 6, Views(clips=4, crops=3)
    whole = random_views(videos, views, seed)
    expected = summed([whole], videos, views)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(whole[0]))
    cuts = np.sort(generator.integers(0, len(order), 7))
    parts = [[a[part] for a in whole] for part in np.split(order, cuts)]
    result = summed(parts, videos, views)
    np.testing.assert_array_equal(result.single_clip, expected.single_clip)
    np.testing.assert_array_equal(result.single_view, expected.single_view)
    np.testing.assert_allclose(result.mean, expected.mean, rtol=1e-14)
    centre = whole[2].reshape(videos, 4, 3, CLASSES)[:, 2, 1]
    np.testing.assert_array_equal(result.single_view, centre.astype(np.float64))


def test_one_view_is_the_whole():
    result = summed(
        [random_views(5, Views(clips=1, crops=1), 0)], 5, Views(clips=1, crops=1)
    )
    np.testing.assert_array_equal(result.single_clip, result.mean)
    np.testing.assert_array_equal(result.single_view, result.mean)


def test_a_view_that_came_twice_or_never_is_noticed():
    views = Views(clips=2, crops=1)
    strategy, dataset, _ = all_views(4, views, 4, 1)
    with pytest.raises(RuntimeError, match="must be evaluated once; 2 of 10"):
        Evaluator(model, strategy)(dataset, videos=5, views=views)


def test_a_video_with_an_unreadable_view_has_no_probabilities():
    """Not even those of its middle clip, where that could be read."""
    video, view = np.repeat(np.arange(4), 2), np.tile(np.arange(2), 4)
    weight = np.ones(8, np.float32)
    weight[2] = 0  # The first view of the second video; the second is the middle one.
    clip = np.zeros([8, 1, 3, 1, CLASSES], np.uint8)
    element = {"clip": clip, "video": video, "view": view}, np.zeros(8), weight
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    dataset = strategy.distribute_datasets_from_function(
        lambda _: tf.data.Dataset.from_tensors(element)
    )
    views = Views(clips=2, crops=1)
    result = Evaluator(model, strategy)(dataset, videos=4, views=views)
    assert result.readable.tolist() == [True, False, True, True]
    for probabilities in (result.mean, result.single_clip, result.single_view):
        assert probabilities[1].tolist() == [0, 0, 0]
        np.testing.assert_allclose(probabilities[[0, 2, 3]], 1 / 3)


def test_what_shows_the_progress_is_told_of_every_view_once():
    """And not of the padding; its context ends with the evaluation."""
    told = []

    @contextlib.contextmanager
    def show(what, total):
        told.append((what, total))
        yield told.append
        told.append("end")

    views = Views(clips=2, crops=1)
    strategy, dataset, _ = all_views(3, views, 4, 2)
    Evaluator(model, strategy, show=show)(dataset, videos=3, views=views)
    assert told == [("evaluation", 6), 6, "end"]


def test_one_view_needs_no_number():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    clip = np.zeros([4, 1, 3, 1, CLASSES], np.uint8)
    element = {"clip": clip, "video": np.arange(4)}, np.zeros(4), np.ones(4, np.float32)
    dataset = strategy.distribute_datasets_from_function(
        lambda _: tf.data.Dataset.from_tensors(element)
    )
    np.testing.assert_allclose(
        Evaluator(model, strategy)(dataset, videos=4).mean, 1 / 3
    )
