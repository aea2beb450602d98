"""What is printed of the predictions of videos: for people, as JSON, as CSV."""

import csv
import io
import json

import numpy as np

from model.evaluation.report import as_cell


def as_text(video, probabilities, class_names, top):
    """Lines for people: the video, then a line for each of its likeliest classes.

    Args:
        video: its name.
        probabilities: float [classes].
        class_names: in the order of the probabilities.
        top: how many classes are named.

    Returns:
        list of str.
    """
    best = likeliest(probabilities, top)
    return [video, *(f"  {probabilities[i]:6.3f}  {class_names[i]}" for i in best)]


def as_json(video, result, class_names, top):
    """One line of JSON for programs.

    Args:
        video: its name; bytes of it that are no UTF-8 become escapes such as \\udcff.
        result: float [classes], or an error.
        class_names: see `as_text`, as for all that follow.
        top: how many classes are named.

    Returns:
        str: an object with "video" and either "error" or "predictions", a list of
        "class", "label" (its number, from 0) and "probability".
    """
    if isinstance(result, Exception):
        return json.dumps({"video": video, "error": str(result)})
    predictions = [
        {"class": class_names[i], "label": int(i), "probability": float(result[i])}
        for i in likeliest(result, top)
    ]
    return json.dumps({"video": video, "predictions": predictions})


def csv_head(top):
    """The header of CSV: video, error, class_1, probability_1, class_2 and so on."""
    numbers = range(1, top + 1)
    pairs = [(f"class_{n}", f"probability_{n}") for n in numbers]
    return _csv(["video", "error", *sum(pairs, ())])


def as_csv(video, result, class_names, top):
    """One line of CSV; names that a spreadsheet would run are quoted by `as_cell`.

    Args:
        video: see `as_json`, as for all that follow.
        result: float [classes], or an error.
        class_names: in the order of the probabilities.
        top: how many classes are named.

    Returns:
        str without an end of line.
    """
    if isinstance(result, Exception):
        return _csv([as_cell(video), as_cell(str(result)), *[""] * 2 * top])
    pairs = [
        (as_cell(class_names[i]), float(f"{result[i]:.6g}"))
        for i in likeliest(result, top)
    ]
    return _csv([as_cell(video), "", *sum(pairs, ())])


def likeliest(probabilities, top):
    """Numbers of the likeliest classes, at most so many, the likeliest first."""
    return np.argsort(-probabilities, kind="stable")[:top]


def _csv(row):
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="").writerow(row)
    return text.getvalue()
