import numpy as np
import pytest
import tensorflow as tf

from model.prediction.predictor import Predictor

CLASSES = 3


class Brightness:
    """A classifier whose only feature is a view's mean; it counts its traces."""

    def __init__(self):
        self.shapes = []

    def features(self, clips):
        self.shapes.append(tuple(clips.shape))
        values = tf.cast(clips, tf.float32)
        return tf.reduce_mean(values, axis=[1, 2, 3, 4], keepdims=True)

    def head(self, pooled):
        return pooled * tf.constant([0.01, 0.02, -0.01])


def views_of(*levels):
    """Views of one pixel each."""
    return np.array(levels, np.uint8).reshape(-1, 1, 1, 1, 1) * np.ones(
        [1, 2, 3, 1, 1], np.uint8
    )


def expected(*levels):
    """The mean softmax, by NumPy in float64."""
    logits = np.array(levels)[:, None] * [0.01, 0.02, -0.01]
    rows = np.exp(logits)
    return (rows / rows.sum(axis=1, keepdims=True)).mean(axis=0)


@pytest.mark.parametrize("batch_size", [1, 2, 4, 64])
def test_batches_go_across_videos_and_change_nothing(batch_size):
    model = Brightness()
    levels = [(10,), (200, 0), (7, 8, 9, 10, 11), (255,), (3, 4, 5)]
    videos = [(f"{i}", views_of(*row)) for i, row in enumerate(levels)]
    found = list(Predictor(model, batch_size)(videos))
    assert [name for name, _ in found] == ["0", "1", "2", "3", "4"]
    for (_, mean), row in zip(found, levels, strict=True):
        np.testing.assert_allclose(mean, expected(*row), rtol=1e-6)
    assert model.shapes == [(batch_size, 2, 3, 1, 1)]  # It is traced once.


def test_features_come_behind_the_probabilities():
    videos = [("a", views_of(10, 30)), ("b", views_of(7))]
    found = dict(Predictor(Brightness(), 2, features=True)(videos))
    np.testing.assert_allclose(found["a"][:CLASSES], expected(10, 30), rtol=1e-6)
    assert found["a"][CLASSES:].tolist() == [20] and found["b"][CLASSES:] == [7]


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_maps_are_told_of_each_view_in_order(batch_size):
    """Of a video by its number among all that come, those that are bad included."""
    told = []
    videos = [("a", views_of(1, 2)), ("b", ValueError()), ("a", views_of(3, 4, 5))]
    predictor = Predictor(Brightness(), batch_size, keep_map=lambda *m: told.append(m))
    assert [name for name, _ in predictor(videos)] == ["a", "b", "a"]
    assert [(number, view) for number, view, _ in told] == [
        *((0, 0), (0, 1)),
        *((2, 0), (2, 1), (2, 2)),
    ]
    assert [float(values.squeeze()) for *_, values in told] == [1, 2, 3, 4, 5]
    assert all(values.shape == (1, 1, 1, 1) for *_, values in told)


def test_what_cannot_be_read_keeps_its_place():
    one, two = ValueError("one"), ValueError("two")
    videos = [("a", one), ("b", views_of(1)), ("c", two), ("d", views_of(2, 3))]
    found = dict(Predictor(Brightness(), 2)(videos))
    assert list(found) == ["a", "b", "c", "d"]
    assert (found["a"], found["c"]) == (one, two)
    np.testing.assert_allclose(found["d"], expected(2, 3), rtol=1e-6)
    assert dict(Predictor(Brightness(), 2)([("a", one)])) == {"a": one}
    assert list(Predictor(Brightness(), 2)([])) == []


def test_a_video_is_told_as_soon_as_it_is_computed():
    asked = []

    def videos():
        for number in range(4):
            asked.append(number)
            yield number, views_of(number, number)

    results = Predictor(Brightness(), 2)(videos())
    assert next(results)[0] == 0 and asked == [0]
    assert next(results)[0] == 1 and asked == [0, 1]
