"""The classes of a video over time as a picture, and as captions of its frames."""

import numpy as np
from absl import logging
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from model.prediction.lines import likeliest
from storage.pictures import drawn_as_they_are, label, png

MOST_CLASSES = 10  # lines of one video, as many as there are colours
MOST_VIDEOS = 50  # rows; of more the picture would be too high to be opened
WIDTH, HEIGHT = 10, 2.6  # inches, of one video
LINE = 0.07  # height of a line of a caption, as a fraction of the frame's
DPI = 100  # of captions


def timeline_png(timelines, class_names):
    """The probabilities of the likeliest classes over time, a row for each video.

    A class has a line where it is the likeliest of some clip, at most ten, those first
    that are it most often. A strip below shows which is the likeliest, white where that
    has no line. Of many videos the first 50 are drawn, which the log says.

    Args:
        timelines: list of `model.prediction.timeline.Timeline` without an error.
        class_names: in the order of the probabilities.

    Returns:
        bytes of a PNG file.
    """
    if len(timelines) > MOST_VIDEOS:
        logging.warning(
            "The first %d of %d videos are drawn.", MOST_VIDEOS, len(timelines)
        )
        timelines = timelines[:MOST_VIDEOS]
    names = [label(name) for name in class_names]
    titles = [label(timeline.video) for timeline in timelines]
    with drawn_as_they_are([*names, *titles]):
        size = (WIDTH, HEIGHT * len(timelines))
        figure = Figure(figsize=size, layout="constrained")
        rows = figure.subplots(len(timelines), squeeze=False)[:, 0]
        for axes, title, timeline in zip(rows, titles, timelines, strict=True):
            axes.set_title(title, fontsize=9, loc="left")
            _draw(axes, timeline, names)
        return png(figure, dpi=110)


class Captions:
    """What is drawn on the frames of a video: the classes of the clip around them.

    Args:
        timeline: `model.prediction.timeline.Timeline` without an error.
        class_names: in the order of the probabilities.
        top: how many classes are named.
    """

    def __init__(self, timeline, class_names, top):
        self._rows = timeline.probabilities
        self._names = [label(name) for name in class_names]
        self._top = top
        self._middles = np.array([w.first + w.last for w in timeline.windows]) / 2
        self._drawn = {}

    def __call__(self, number, height, width):
        """The caption of one frame.

        Args:
            number: of the frame, from 0.
            height: of the frame in pixels.
            width: of the same.

        Returns:
            uint8 [h, w, 4], RGBA: for each class a bar as long as it is likely.
        """
        clip = int(np.abs(self._middles - number).argmin())
        if clip not in self._drawn:
            self._drawn = {clip: self._draw(self._rows[clip], height, width)}
        return self._drawn[clip]

    def _draw(self, row, height, width):
        best = likeliest(row, self._top)
        line = max(round(LINE * height), 8)
        size = width / DPI, line * len(best) / DPI
        with drawn_as_they_are(self._names):
            figure = Figure(figsize=size, dpi=DPI, facecolor=(0, 0, 0, 0.4))
            axes = figure.add_axes((0, 0, 1, 1), facecolor="none")
            axes.barh(range(len(best)), row[best], color="C0", alpha=0.8, height=0.9)
            for place, i in enumerate(best):
                text = f" {row[i]:.2f}  {self._names[i]}"
                size = 0.6 * line * 72 / DPI
                axes.text(0, place, text, color="white", size=size, va="center")
            axes.set_xlim(0, 1)
            axes.set_ylim(len(best) - 0.5, -0.5)
            axes.set_axis_off()
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            return np.array(canvas.buffer_rgba())


def _draw(axes, timeline, names):
    probabilities = np.stack(timeline.probabilities)
    best = probabilities.argmax(axis=1)
    counts = np.bincount(best, minlength=len(names))
    order = np.argsort(-counts, kind="stable")
    shown = [i for i in order[:MOST_CLASSES] if counts[i]]
    starts, ends, unit = _places(timeline.windows)
    middles = (starts + ends) / 2
    for number, i in enumerate(shown):
        colour = f"C{number}"
        style = {"color": colour, "label": names[i], "marker": ".", "markersize": 3}
        axes.plot(middles, probabilities[:, i], **style)
        for clip in np.flatnonzero(best == i):
            axes.axvspan(*_own_part(middles, starts, ends, clip), 0, 0.05, color=colour)
    axes.set_ylim(-0.08, 1.02)
    axes.set_xlim(starts[0], ends[-1])
    axes.set_xlabel(unit, fontsize=8)
    axes.set_ylabel("probability", fontsize=8)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))


def _places(windows):
    """Starts and ends of clips, float [clips] each, and their unit."""
    if windows[0].seconds is None:
        places, unit = [(w.first, w.last + 1) for w in windows], "frames"
    else:
        places, unit = [w.seconds for w in windows], "seconds"
    starts, ends = np.array(places, float).T
    return starts, ends, unit


def _own_part(middles, starts, ends, clip):
    """From half the way to the clip before, to half the way to the one after."""
    left, right = starts[0], ends[-1]
    if clip > 0:
        left = (middles[clip - 1] + middles[clip]) / 2
    if clip < len(middles) - 1:
        right = (middles[clip] + middles[clip + 1]) / 2
    return left, right
