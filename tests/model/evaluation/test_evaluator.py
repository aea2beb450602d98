"""Every view once, whatever the replicas and the batches; means of probabilities."""

import math

import numpy as np
import pytest
import tensorflow as tf

from model import Evaluator

CLASSES = 3


def model(clip, training):
    """Logits that are the clip's first numbers."""
    assert training is False
    return tf.cast(clip[:, 0, 0, 0, :CLASSES], tf.float32)


def views(videos, count, batch, replicas):
    """A distributed data set of all views, padded; and their mean probabilities."""
    total = videos * count
    batches = math.ceil(total / (batch * replicas)) * replicas
    generator = np.random.default_rng(videos)
    clip = generator.integers(0, 5, [batches * batch, 1, 3, 1, CLASSES], np.uint8)
    number = np.arange(batches * batch)
    video = np.where(number < total, number // count, -1).astype(np.int32)
    element = (
        {"clip": clip, "video": video, "view": (number % count).astype(np.int32)},
        np.zeros_like(video),
        (video >= 0).astype(np.float32),
    )
    strategy = tf.distribute.MirroredStrategy(
        [f"CPU:{i}" for i in range(replicas)],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )
    dataset = strategy.distribute_datasets_from_function(
        lambda _: tf.data.Dataset.from_tensor_slices(element).batch(batch)
    )
    softmax = tf.nn.softmax(clip[:total, 0, 0, 0].astype(np.float64)).numpy()
    return strategy, dataset, softmax.reshape(videos, count, CLASSES).mean(axis=1)


@pytest.mark.parametrize("replicas", [1, 2, 4])
@pytest.mark.parametrize("videos", [1, 7, 9])
@pytest.mark.parametrize(("count", "batch"), [(1, 4), (6, 5)])
def test_the_mean_is_over_all_views(replicas, videos, count, batch):
    strategy, dataset, expected = views(videos, count, batch, replicas)
    batches = []
    evaluator = Evaluator(model, strategy, after_batch=lambda: batches.append(1))
    result = evaluator(dataset, videos=videos, views=count)
    np.testing.assert_allclose(result.mean, expected, atol=1e-6)
    assert result.readable.all()
    assert len(batches) == math.ceil(videos * count / (batch * replicas))


def test_a_view_that_came_twice_or_never_is_noticed():
    strategy, dataset, _ = views(4, 2, 4, 1)
    with pytest.raises(RuntimeError, match="must be evaluated once; 2 of 10"):
        Evaluator(model, strategy)(dataset, videos=5, views=2)


def test_a_video_with_an_unreadable_view_has_no_probabilities():
    strategy, dataset, expected = views(4, 1, 4, 1)
    dataset = strategy.distribute_datasets_from_function(
        lambda _: tf.data.Dataset.from_tensors(
            (
                {"clip": np.zeros([4, 1, 3, 1, 3], np.uint8), "video": np.arange(4)},
                np.zeros(4, np.int32),
                np.array([1, 0, 1, 1], np.float32),
            )
        )
    )
    result = Evaluator(model, strategy)(dataset, videos=4)
    assert result.readable.tolist() == [True, False, True, True]
    assert result.mean[1].tolist() == [0, 0, 0]
    np.testing.assert_allclose(result.mean[0], 1 / 3)
