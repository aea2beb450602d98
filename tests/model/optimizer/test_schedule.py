"""The learning rate follows the formula at every step, wherever a run begins."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from configs.schema import Optimizer
from model.optimizer.schedule import create_schedule, warmup_cosine


def schedule(warmup_steps=10, **changes):
    config = Optimizer(learning_rate=2.0, **changes)
    return warmup_cosine(config, batch_size=4, steps=100, warmup_steps=warmup_steps)


def formula(step, peak, steps, warmup_steps, warmup_fraction=0.1, final_fraction=0.0):
    """The learning rate as `warmup_cosine` documents it, in float64."""
    if step < warmup_steps:
        return peak * (warmup_fraction + (1 - warmup_fraction) * step / warmup_steps)
    fallen = min((step - warmup_steps) / (steps - warmup_steps), 1)
    cosine = 0.5 * (1 + math.cos(math.pi * fallen))
    return peak * (final_fraction + (1 - final_fraction) * cosine)


@pytest.mark.parametrize(
    ("peak", "steps", "warmup_steps"),
    [(2e-3, 720, 80), (1e-3, 4470, 372), (3e-3, 23, 5), (2e-3, 360, 37.5)],
)
def test_every_step_of_a_run_is_the_formulas(peak, steps, warmup_steps):
    config = Optimizer(learning_rate=peak, final_fraction=0.01)
    schedule = warmup_cosine(
        config, batch_size=4, steps=steps, warmup_steps=warmup_steps
    )
    rates = tf.vectorized_map(schedule, tf.range(steps + 3)).numpy()
    expected = [
        formula(step, peak, steps, warmup_steps, final_fraction=0.01)
        for step in range(steps + 3)
    ]
    # float32 keeps 24 bits; the cosine near its end loses two digits to cancellation.
    np.testing.assert_allclose(rates, expected, rtol=2e-5)


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.2), (5, 1.1), (10, 2.0), (55, 1.0), (100, 0.0), (1000, 0.0)],
)
def test_rises_linearly_and_falls_as_a_cosine(step, rate):
    assert float(schedule()(step)) == pytest.approx(rate, abs=1e-6)


def test_is_a_function_of_the_float_step():
    expected = 1 + math.cos(math.pi * (32.5 - 10) / 90)
    assert float(schedule()(32.5)) == pytest.approx(expected, rel=1e-6)


def test_ends_at_the_floor_and_starts_at_the_peak_without_warmup():
    rates = schedule(warmup_steps=0, final_fraction=0.25)
    assert float(rates(0)) == pytest.approx(2.0)
    assert float(rates(100)) == pytest.approx(0.5)


def test_warmup_may_end_between_steps_and_last_the_whole_run():
    assert float(schedule(warmup_steps=2.5)(2)) == pytest.approx(2 * (0.1 + 0.9 * 0.8))
    assert float(schedule(warmup_steps=100)(100)) == pytest.approx(2.0)


def test_moves_inside_a_function_traced_once():
    """A rate read while tracing, or an integer division, would stand still."""
    rates, traces = schedule(), []

    @tf.function
    def rate(step):
        traces.append(step)
        return rates(step)

    step = tf.Variable(0, dtype=tf.int64)
    seen = []
    for _ in range(12):
        seen.append(float(rate(step)))
        step.assign_add(1)
    assert len(traces) == 1
    assert seen == pytest.approx([float(rates(i)) for i in range(12)])
    assert len(set(seen)) == 12


def test_serialises():
    config = keras.optimizers.schedules.serialize(schedule(final_fraction=0.5))
    again = keras.optimizers.schedules.deserialize(config)
    assert again.get_config() == schedule(final_fraction=0.5).get_config()


def stable(schedule="wsd", steps=20, decay_begin=16, warmup_steps=4, **changes):
    config = Optimizer(learning_rate=2.0, schedule=schedule, **changes)
    return create_schedule(
        config,
        batch_size=4,
        steps=steps,
        warmup_steps=warmup_steps,
        decay_begin=decay_begin,
    )


# Worked by hand: up from a tenth of 2 in quarters; then 2; then 2 (1 - sqrt(d)) for
# d = 1/4, 1/2, 3/4, 1.
BY_HAND = [0.2, 0.65, 1.1, 1.55, *[2.0] * 13, 1.0, 0.585786, 0.267949, 0.0, 0.0]


def test_warmup_stable_decay_is_the_table_worked_by_hand():
    rates = [float(stable()(step)) for step in range(22)]
    assert rates == pytest.approx(BY_HAND, abs=1e-6)


def test_a_constant_rate_stays_after_its_warmup():
    rates = [float(stable("constant")(step)) for step in (*range(5), 16, 20, 10**6)]
    assert rates == pytest.approx([*BY_HAND[:5], 2.0, 2.0, 2.0], abs=1e-6)


def test_the_decay_ends_at_the_floor_and_scales_with_the_batch():
    floor = stable(final_fraction=0.25, reference_batch_size=8)
    assert float(floor(17)) == pytest.approx(1 - 0.75 * 0.5)
    assert float(floor(20)) == float(floor(30)) == 0.25


def test_until_the_decay_no_bit_depends_on_the_length_of_the_run():
    short, long = stable(), stable(steps=1000, decay_begin=900)
    constant = stable("constant", decay_begin=None)
    for step in range(17):
        rates = [float(tf.function(rate)(step)) for rate in (short, long, constant)]
        assert rates[0] == rates[1] == rates[2]
    assert float(short(17)) < float(long(17)) == float(constant(17)) == 2.0


def test_without_warmup_it_begins_at_the_peak():
    assert float(stable(warmup_steps=0)(0)) == 2.0


def test_warmup_stable_decay_moves_inside_a_function_traced_once():
    rates, step = tf.function(stable()), tf.Variable(0, dtype=tf.int64)
    seen = []
    for _ in range(22):
        seen.append(float(rates(step)))
        step.assign_add(1)
    assert rates.experimental_get_tracing_count() == 1
    assert seen == pytest.approx(BY_HAND, abs=1e-6)


def test_warmup_stable_decay_can_be_made_again_from_its_config():
    again = type(stable()).from_config(stable().get_config())
    assert [float(again(s)) for s in (2, 18)] == [float(stable()(s)) for s in (2, 18)]


@pytest.mark.parametrize(("batch_size", "factor"), [(64, 1.0), (8, 0.125)])
def test_the_whole_schedule_scales_with_the_batch_size(batch_size, factor):
    config = Optimizer(learning_rate=2.0, reference_batch_size=64, final_fraction=0.01)
    steps = {"steps": 100, "warmup_steps": 10}
    scaled = warmup_cosine(config, batch_size=batch_size, **steps)
    usual = schedule(final_fraction=0.01)
    for step in (0, 5, 10, 55, 100):
        expected = float(usual(step)) * factor
        assert float(scaled(step)) == pytest.approx(expected, rel=1e-6)
