"""What a model says of single videos: lines for people, as JSON, as CSV."""

import dataclasses
import json

import numpy as np

from model.evaluation.tables import as_cell, csv_line


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a model says of one video.

    Attributes:
        video: its name.
        probabilities: float [classes]; None where there is an error.
        error: why it cannot be read; None where it could.
    """

    video: str
    probabilities: np.ndarray | None = None
    error: Exception | None = None

    @staticmethod
    def csv_head(top):
        """The header of CSV: video, error, class_1, probability_1, class_2 and so on.

        Args:
            top: how many classes are named.
        """
        return csv_line(["video", "error", *class_columns(top)])

    def text(self, class_names, top):
        """Lines for people: the video, then a line for each of its likeliest classes.

        Args:
            class_names: in the order of the probabilities.
            top: how many classes are named.

        Returns:
            list of str; none of a video that cannot be read.
        """
        if self.error:
            return []
        best = likeliest(self.probabilities, top)
        rows = [f"  {self.probabilities[i]:6.3f}  {class_names[i]}" for i in best]
        return [self.video, *rows]

    def json(self, class_names, top):
        """A line for programs; bytes of a name that are no UTF-8 become \\udcff.

        Args:
            class_names: see `text`, as for all that follow.
            top: how many classes are named.

        Returns:
            list of one str: an object with "video" and either "error" or "predictions",
            see `as_objects`.
        """
        said = {"video": self.video}
        if self.error:
            said["error"] = str(self.error)
        else:
            said["predictions"] = as_objects(self.probabilities, class_names, top)
        return [json.dumps(said)]

    def csv(self, class_names, top):
        """A line of CSV; names that a spreadsheet would run are marked by `as_cell`.

        Args:
            class_names: see `text`, as for all that follow.
            top: how many classes are named.

        Returns:
            list of one str without an end of line.
        """
        start = [as_cell(self.video), as_cell(str(self.error or ""))]
        if self.error:
            return [csv_line([*start, *[""] * 2 * top])]
        return [csv_line([*start, *class_cells(self.probabilities, class_names, top)])]


def predictions(results):
    """Puts what `Predictor` yields into `Prediction`s.

    Args:
        results: iterable of (video, float [classes]) or (video, error).

    Yields:
        `Prediction` of each.
    """
    for video, result in results:
        if isinstance(result, Exception):
            yield Prediction(video, error=result)
        else:
            yield Prediction(video, probabilities=result)


def as_objects(probabilities, class_names, top):
    """The likeliest classes as JSON has them.

    Args:
        probabilities: float [classes].
        class_names: in their order.
        top: how many classes are named.

    Returns:
        list of dicts of "class", "label" (its number, from 0) and "probability".
    """
    return [
        {
            "class": class_names[i],
            "label": int(i),
            "probability": float(probabilities[i]),
        }
        for i in likeliest(probabilities, top)
    ]


def class_columns(top):
    """The columns of the likeliest classes in CSV: class_1, probability_1, class_2."""
    pairs = [(f"class_{n}", f"probability_{n}") for n in range(1, top + 1)]
    return sum(pairs, ())


def class_cells(probabilities, class_names, top):
    """The cells below `class_columns`; probabilities have six digits."""
    pairs = [
        (as_cell(class_names[i]), float(f"{probabilities[i]:.6g}"))
        for i in likeliest(probabilities, top)
    ]
    return sum(pairs, ())


def likeliest(probabilities, top):
    """Numbers of the likeliest classes, at most so many, the likeliest first."""
    return np.argsort(-probabilities, kind="stable")[:top]
