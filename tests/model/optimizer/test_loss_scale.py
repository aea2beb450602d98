"""The loss scale beside Keras's own, and updates that are skipped."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from model.optimizer import loss_scale
from model.optimizer.adamw import AdamW
from model.optimizer.groups import Group
from model.optimizer.loss_scale import LossScale, update_or_skip


class Steady(keras.optimizers.schedules.LearningRateSchedule):
    """Always the same learning rate."""

    def __call__(self, step):
        return tf.constant(0.1)


def scaled(variable, dynamic=True):
    """An optimizer of one variable."""
    group = Group(name="all", variables=[variable], lr_multiplier=1.0, weight_decay=0.1)
    optimizer = AdamW(Steady(), groups=[group])
    optimizer.build([variable])
    optimizer.loss_scale = LossScale(dynamic)
    return optimizer


def step(optimizer, variable, gradient, loss=1.0, counted=1.0):
    """An update by a gradient that has not been scaled."""
    values = [gradient * optimizer.loss_scale.value()]
    return update_or_skip(
        optimizer, [variable], values, tf.constant(float(loss)), tf.constant(counted)
    )


def test_the_scale_follows_the_rule_of_keras(monkeypatch):
    """Over finite and other gradients in any order, down to 1 and up to infinity."""
    monkeypatch.setattr(loss_scale, "GROWTH_STEPS", 3)
    monkeypatch.setattr(loss_scale, "INITIAL", 2.0**2)
    variable, other = tf.Variable([1.0]), tf.Variable([1.0])
    ours = scaled(variable)
    theirs = keras.mixed_precision.LossScaleOptimizer(
        keras.optimizers.SGD(0.0), initial_scale=2.0**2, dynamic_growth_steps=3
    )
    finite = np.random.default_rng(0).random(40) < 0.6
    for good in [*finite, *[False] * 6, *[True] * 400]:
        gradient = tf.constant([0.0 if good else np.nan])
        step(ours, variable, gradient)
        theirs.apply_gradients([(gradient, other)])
        assert ours.loss_scale.value() == theirs.loss_scale
        assert ours.loss_scale.good_steps == theirs.dynamic_counter
    assert ours.loss_scale.value() == 2.0**127


@pytest.mark.parametrize(
    ("gradient", "loss"),
    [(np.nan, 1), (np.inf, 1), (1e25, 1), (1, np.nan), (1, np.inf)],
    ids=["NaN", "infinite", "norm overflows", "loss NaN", "loss infinite"],
)
def test_what_is_not_finite_changes_the_count_and_the_scale_only(gradient, loss):
    variable = tf.Variable([1.0, 2.0])
    optimizer = scaled(variable)
    step(optimizer, variable, tf.constant([0.5, -0.5]))
    before = [variable.numpy(), *(m.numpy() for m in optimizer._moments[0])]
    found = step(optimizer, variable, tf.constant([0.5, gradient]), loss)
    after = [variable.numpy(), *(m.numpy() for m in optimizer._moments[0])]
    np.testing.assert_array_equal(after, before)
    assert optimizer.iterations.numpy() == 2
    assert found["loss_scale"] == 2.0**15  # as it was for this update
    assert optimizer.loss_scale.value() == 2.0**14


@pytest.mark.parametrize("counted", [1.0, 0.25])
def test_neither_the_scale_nor_what_counted_changes_an_update(counted):
    """Both are powers of 2, so nothing is rounded."""
    results = []
    for dynamic, fraction in ((False, 1.0), (True, counted)):
        variable = tf.Variable([1.0, 2.0])
        optimizer = scaled(variable, dynamic)
        gradient = tf.constant([0.3, -0.7])
        found = step(optimizer, variable, fraction * gradient, counted=fraction)
        results.append((variable.numpy(), found["gradient_norm"].numpy()))
    (weights, norm), (others, other_norm) = results
    np.testing.assert_array_equal(weights, others)
    assert norm == other_norm == pytest.approx(np.hypot(0.3, 0.7), rel=1e-6)


def test_a_scale_that_is_not_dynamic_stays_1():
    variable = tf.Variable([1.0])
    optimizer = scaled(variable, dynamic=False)
    step(optimizer, variable, tf.constant([np.nan]))
    assert optimizer.loss_scale.value() == 1
