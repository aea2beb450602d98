"""The classes of a video over time, from clips that slide over it."""

import dataclasses
import json

import numpy as np

from model.evaluation.tables import as_cell, csv_line
from model.prediction.lines import as_objects, class_cells, class_columns, likeliest

PLACE = ("first_frame", "last_frame", "start_seconds", "end_seconds")


@dataclasses.dataclass
class Timeline:
    """What a model says of the clips of one video.

    Attributes:
        video: its name.
        windows: what each clip shows: `first` and `last` frame, and `seconds`, the
            (start, end), or None where the rate of the frames is not known.
        probabilities: float [classes] of each.
        error: why the video, or some of it, cannot be read; None where it could.
    """

    video: str
    windows: list = dataclasses.field(default_factory=list)
    probabilities: list = dataclasses.field(default_factory=list)
    error: Exception | None = None

    @staticmethod
    def csv_head(top):
        """The header of CSV: video, error, the place of a clip, then its classes.

        Args:
            top: how many classes are named.
        """
        return csv_line(["video", "error", *PLACE, *class_columns(top)])

    def text(self, class_names, top):
        """Lines for people: the video, then a line for each clip with its time.

        Args:
            class_names: in the order of the probabilities.
            top: how many classes are named.

        Returns:
            list of str; none of a video that cannot be read.
        """
        if self.error:
            return []
        lines = [self.video]
        for window, row in self._clips():
            classes = [f"{row[i]:.3f} {class_names[i]}" for i in likeliest(row, top)]
            lines.append(f"  {_shown(window):<19}  {'  '.join(classes)}")
        return lines

    def json(self, class_names, top):
        """A line for programs.

        Args:
            class_names: see `text`, as for all that follow.
            top: how many classes are named.

        Returns:
            list of one str: an object with "video" and either "error" or "windows", a
            list of objects with `PLACE` and "predictions", see `lines.as_objects`.
        """
        if self.error:
            return [json.dumps({"video": self.video, "error": str(self.error)})]
        windows = [
            dict(zip(PLACE, _place(window), strict=True))
            | {"predictions": as_objects(row, class_names, top)}
            for window, row in self._clips()
        ]
        return [json.dumps({"video": self.video, "windows": windows})]

    def csv(self, class_names, top):
        """Lines of CSV, one for each clip, or one for an error.

        Args:
            class_names: see `text`, as for all that follow.
            top: how many classes are named.

        Returns:
            list of str without ends of line.
        """
        start = [as_cell(self.video), as_cell(str(self.error or ""))]
        if self.error:
            return [csv_line([*start, *[""] * (len(PLACE) + 2 * top)])]
        return [
            csv_line(
                [
                    *start,
                    *("" if value is None else value for value in _place(window)),
                    *class_cells(row, class_names, top),
                ]
            )
            for window, row in self._clips()
        ]

    def _clips(self):
        return zip(self.windows, self.probabilities, strict=True)


def timelines(results):
    """Puts together what belongs to one video.

    Args:
        results: iterable of (place, float [classes]), in the order of the windows, or
            of (place, error); a place has `number`, `path` and `window`.

    Yields:
        `Timeline` of each video, as soon as its last clip is there.
    """
    current = number = None
    for place, result in results:
        if place.number != number:
            if current:
                yield current
            current, number = Timeline(place.path), place.number
        if isinstance(result, Exception):
            current.error = result
        else:
            current.windows.append(place.window)
            current.probabilities.append(result)
    if current:
        yield current


def clock(seconds):
    """Seconds as hours, minutes, seconds and tenths: 0:01:02.5.

    Args:
        seconds: from 0.
    """
    tenths = int(np.floor(seconds * 10 + 0.5))
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{tenths // 10:02}.{tenths % 10}"


def _place(window):
    """The values of `PLACE`."""
    return window.first, window.last, *(window.seconds or (None, None))


def _shown(window):
    """Where a clip lies: its times, or its frames where these are not known."""
    if window.seconds is None:
        return f"frames {window.first}-{window.last}"
    return "-".join(map(clock, window.seconds))
