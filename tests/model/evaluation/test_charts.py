import numpy as np
import pytest

from model.evaluation.charts import (
    HEIGHT,
    MOST_POINTS,
    WIDTH,
    line_chart,
    reliability_diagram,
    thinned,
    ticks,
)


@pytest.mark.parametrize("low, high", [(0, 1), (0, 23), (0.3, 0.4), (-5, 1e6), (7, 7)])
def test_ticks_are_few_equally_far_apart_and_enclose_the_values(low, high):
    marks = ticks(low, high)
    assert marks[0] <= low + 1e-9 and marks[-1] >= high - 1e-9
    assert 2 <= len(marks) <= 8
    np.testing.assert_allclose(np.diff(marks), marks[1] - marks[0])


@pytest.mark.parametrize("value", [0.0, 5e-324, -3.0, 1e300])
def test_a_single_value_has_an_axis(value):
    assert len(ticks(value, value)) >= 2


def test_many_points_become_means_that_keep_the_mean():
    values = np.random.default_rng(0).normal(size=10 * MOST_POINTS)
    points = list(enumerate(values.tolist(), start=1))
    few = thinned(points)
    assert len(few) == MOST_POINTS
    assert few[-1][0] == len(points)  # The line reaches the last step.
    assert np.mean([value for _, value in few]) == pytest.approx(values.mean())
    assert thinned(points[:MOST_POINTS]) == points[:MOST_POINTS]


def test_what_is_not_finite_is_left_out():
    points = [(1, 2.0), (2, float("nan")), (3, None), (4, float("inf")), (5, 1.0)]
    assert thinned(points) == [(1, 2.0), (5, 1.0)]
    assert line_chart("Loss", [("", "train", points[1:4])]) is None


def test_a_line_lies_within_its_picture_the_way_its_values_do():
    points = [(1, 0.0), (50, 0.25), (100, 1.0)]
    chart = line_chart("Accuracy", [("x", "validation", points)], low=0, high=1)
    (line,) = chart.lines
    x, y = np.array(line.points).T
    assert (np.diff(x) > 0).all() and (np.diff(y) < 0).all()
    assert (x > 0).all() and (x < WIDTH).all() and (y > 0).all() and (y < HEIGHT).all()
    assert line.is_dotted
    assert (y[0], y[-1]) == (chart.y_ticks[0][0], chart.y_ticks[-1][0])
    assert chart.x_ticks[-1] == (x[-1], "100")


def test_one_step_is_a_chart():
    assert line_chart("Loss", [("x", "train", [(1, 3.0)])], low=0).lines


def test_a_bar_for_each_bin_with_videos_as_high_as_its_accuracy():
    full = {"videos": 3, "confidence": 0.7, "accuracy": 0.5}
    empty = {"videos": 0, "confidence": None, "accuracy": None}
    chart = reliability_diagram([empty, full, full | {"accuracy": 1.0}])
    (low, high), (diagonal,) = chart.bars, chart.lines
    assert low[3] == pytest.approx(high[3] / 2, abs=0.1)
    assert high[1] == pytest.approx(diagonal.points[1][1])
    assert low[4] == "3 videos: confidence 0.700, accuracy 0.500"
    assert not reliability_diagram([]).bars
