"""Curves and bars as the numbers that a page draws with: pixels, ticks, points.

All is in pixels of a picture of WIDTH x HEIGHT, whose y axis points down.
"""

import dataclasses
import math

import numpy as np

WIDTH, HEIGHT = 360, 210
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 8, 36  # margins
MOST_POINTS = 240  # of a line
MOST_DOTS = 60  # of a line whose points are marked
TICKS = 5  # about so many on an axis
LEAST = 1e-100  # length of an axis


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: as the key says it.
        kind: what decides on its colour: "train", "validation" or "ideal".
        points: list of (x, y) in pixels.
        is_dotted: whether each point is marked.
    """

    name: str
    kind: str
    points: list
    is_dotted: bool


@dataclasses.dataclass(frozen=True)
class Chart:
    """What a page draws.

    Attributes:
        title: above it.
        x_label: below its axis.
        lines: list of `Line`.
        bars: list of (x, y, width, height, words) in pixels.
        x_ticks: list of (x in pixels, text).
        y_ticks: list of (y in pixels, text).
    """

    title: str
    x_label: str
    lines: list
    bars: list
    x_ticks: list
    y_ticks: list


def line_chart(title, lines, *, low=None, high=None):
    """Lines over the steps of a run.

    Args:
        title: above the chart.
        lines: list of (name, kind, list of (step, value)). Values that are not finite
            are left out, and more than MOST_POINTS are means over as many equal parts.
        low: where the y axis begins; None is the least value.
        high: where it ends; None is the largest.

    Returns:
        `Chart`; None where no line has a value.
    """
    lines = [(name, kind, thinned(points)) for name, kind, points in lines]
    values = [value for _, _, points in lines for _, value in points]
    steps = [step for _, _, points in lines for step, _ in points]
    if not values:
        return None
    last = max(steps)
    x_ticks = [tick for tick in ticks(0, last) if tick <= last]
    y_ticks = ticks(
        min(values) if low is None else low, max(values) if high is None else high
    )
    x, y = _scales((0, last), (y_ticks[0], y_ticks[-1]))
    return Chart(
        title,
        "step",
        [
            Line(
                name,
                kind,
                [(x(step), y(value)) for step, value in points],
                kind != "train" and len(points) <= MOST_DOTS,
            )
            for name, kind, points in lines
            if points
        ],
        [],
        [(x(tick), _text(tick)) for tick in x_ticks],
        [(y(tick), _text(tick)) for tick in y_ticks],
    )


def reliability_diagram(bins):
    """Accuracy over confidence; calibrated is what follows the diagonal.

    Args:
        bins: of equal width over [0, 1], in order; each a dict of `videos`, how many
            there are, and of their `confidence` and `accuracy`.

    Returns:
        `Chart` with a bar for each bin that has videos.
    """
    x, y = _scales((0, 1), (0, 1))
    bars = []
    for number, each in enumerate(bins):
        if each["videos"]:
            left, right = x(number / len(bins)), x((number + 1) / len(bins))
            top = y(each["accuracy"])
            words = (
                f"{each['videos']} videos: confidence {each['confidence']:.3f}, "
                f"accuracy {each['accuracy']:.3f}"
            )
            bars.append((left + 1, top, right - left - 2, y(0) - top, words))
    marks = ticks(0, 1)
    return Chart(
        "Accuracy by confidence",
        "confidence",
        [Line("calibrated", "ideal", [(x(0), y(0)), (x(1), y(1))], False)],
        bars,
        [(x(mark), _text(mark)) for mark in marks],
        [(y(mark), _text(mark)) for mark in marks],
    )


def thinned(points):
    """At most MOST_POINTS (step, value); each the mean of the values up to its step.

    Args:
        points: list of (step, value); what is None or not finite is left out.
    """
    points = [
        (step, value)
        for step, value in points
        if value is not None and math.isfinite(value)
    ]
    if len(points) <= MOST_POINTS:
        return points
    parts = np.array_split(np.array(points, np.float64), MOST_POINTS)
    return [(float(part[-1, 0]), float(part[:, 1].mean())) for part in parts]


def ticks(low, high):
    """Round numbers, equally far apart, from at most `low` to at least `high`.

    Args:
        low: finite.
        high: finite, at least `low`.

    Returns:
        list of two floats or more.
    """
    largest = max(abs(low), abs(high))
    if high - low <= max(
        1e-9 * largest, LEAST
    ):  # Numbers cannot tell such ticks apart.
        spread = largest if largest > LEAST else 1.0
        low, high = low - spread / 2, high + spread / 2
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _scales(x_range, y_range):
    """Two functions: from a value on an axis to pixels, to a tenth of one."""

    def scale(ends, begin, end):
        low, high = ends
        return lambda value: round(
            begin + (value - low) / (high - low) * (end - begin), 1
        )

    return (
        scale(x_range, LEFT, WIDTH - RIGHT),
        scale(y_range, HEIGHT - BOTTOM, TOP),
    )


def _text(value):
    return f"{value:.6g}"
