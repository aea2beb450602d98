"""Compares evaluations of the same videos: a table, and a test of each pair.

    python -m model.evaluation.compare RUN RUN [RUN ...]
    python -m model.evaluation.compare runs/demo runs/demo/evaluation-1x1.json

A RUN is a folder that holds an evaluation.json, that of a run or an --output of
evaluate.py, or the path of such a file, as evaluation-1x1.json. Of each pair, McNemar's
exact test says how often two models that are equally good would differ by so many
videos. A pair that was measured on different videos is not tested; one with different
views, sizes or precision is marked. Where each is of another official split of one data
set, their mean and its spread come instead, as papers report them.
"""

import csv
import dataclasses
import itertools
from pathlib import Path
from statistics import mean, stdev

from configs.command.errors import ConfigError
from configs.command.launch import parse, run
from configs.command.streams import produce
from configs.schema.protocol import FORMER, PLACES, Protocol
from model.evaluation.statistics import mcnemar, wilson_interval
from model.evaluation.tables import MARK
from storage.files import MUST_BE_UNCHANGED, read_json
from storage.identity import Result

OFFICIAL = {"ucf101", "hmdb51", "tfds"}  # data.source with official splits
HEADER = ("", "top-1", "95 %", "mean class", "step", "videos", "views")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One that is compared.

    Attributes:
        name: as it was given.
        result: what its evaluation.json holds.
        right: whether each test video was predicted right: (label, video) -> bool.
    """

    name: str
    result: dict
    right: dict

    @property
    def protocol(self):
        """The `Protocol` it was measured by, as far as an earlier version said it."""
        known = FORMER | self.result
        return Protocol(**{name: known.get(name) for name in PLACES})


def read_evaluation(name):
    """Reads an evaluation and the predictions beside it.

    Args:
        name: a folder with an evaluation.json, or the path of such a file.

    Raises:
        ConfigError: there is none, or the two files are damaged or not of one another.
    """
    path = Path(name)
    path = path / "evaluation.json" if path.is_dir() else path
    if not (path.is_file() and path.name.startswith("evaluation")):
        raise ConfigError(
            "RUN must be a folder with an evaluation.json, or such a file; received "
            f"{name}. python evaluate.py writes one."
        )
    result = read_json(path, Result)
    stem = path.stem.removeprefix("evaluation")
    predictions = path.with_name(f"predictions{stem}.csv")
    try:
        right = read_predictions(predictions)
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise ConfigError(
            f"{predictions} {MUST_BE_UNCHANGED}; it cannot be read: {error}."
        ) from None
    if (len(right), sum(right.values())) != (
        result["videos"],
        round(result["top1"] * result["videos"]),
    ):
        raise ConfigError(f"{predictions} is not of the same evaluation as {path}.")
    return Evaluation(name=name, result=result, right=right)


def read_predictions(path):
    """Whether each video of a predictions.csv was predicted right.

    Returns:
        Dict of (label, video) -> bool; a video without a prediction is wrong.
    """
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows, None)  # Columns are told by their place: a class may be "label".
        return {
            (label.removeprefix(MARK), video.removeprefix(MARK)): probability != ""
            and prediction == label
            for video, label, prediction, probability, *_ in rows
        }


def table(evaluations):
    """Lines that say what each has reached; numbers stand to the right."""
    rows = [HEADER, *map(_row, evaluations)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [
            text.rjust(width) for text, width in zip(others, widths[1:], strict=True)
        ]
        yield "  ".join([first.ljust(widths[0]), *cells])


def _row(evaluation):
    result, known = evaluation.result, evaluation.protocol.known
    low, high = wilson_interval(sum(evaluation.right.values()), result["videos"])
    step = result.get("step")
    return (
        evaluation.name,
        f"{result['top1']:.4f}",
        f"{low:.4f}-{high:.4f}",
        f"{result['mean_class_accuracy']:.4f}",
        "" if step is None else str(step),
        str(result["videos"]),
        f"{known['clips']}x{known['crops']}" if "clips" in known else "",
    )


def pair(one, other):
    """Lines that say whether two differ, and what else they differ in.

    Args:
        one: an `Evaluation`.
        other: another.
    """
    yield f"{one.name} and {other.name}"
    if one.right.keys() != other.right.keys() or _other_content(one, other):
        yield "  not compared: their test videos are not the same"
        return
    differences = one.protocol.differences(other.protocol).items()
    if differences:
        parts = [f"{name} {mine} and {theirs}" for name, (mine, theirs) in differences]
        yield f"  measured otherwise: {', '.join(parts)}"
    mine = sum(right and not other.right[key] for key, right in one.right.items())
    theirs = sum(right and not one.right[key] for key, right in other.right.items())
    yield (
        f"  right in one alone: {mine} and {theirs} of {len(one.right)} videos; "
        f"McNemar p = {mcnemar(mine, theirs):.3g}"
    )


def of_splits(evaluations):
    """Lines with the mean over official splits; none where they are not of splits.

    The spread is the standard deviation of the splits, with n - 1.

    Args:
        evaluations: list of `Evaluation`.
    """
    results = [evaluation.result for evaluation in evaluations]
    splits = sorted(result.get("split", 0) for result in results)
    sources = {result.get("source") for result in results}
    first, *others = (evaluation.protocol for evaluation in evaluations)
    alike = not any(
        first.differences(other) or first.known.keys() != other.known.keys()
        for other in others
    )
    if len(set(splits)) < len(splits) or sources - OFFICIAL or len(sources) > 1:
        return
    yield f"mean of splits {', '.join(map(str, splits))} of {sources.pop()}"
    if not alike:
        yield "  not taken: they were measured otherwise (views, sizes or precision)"
        return
    for title, name in (("top-1", "top1"), ("mean class", "mean_class_accuracy")):
        values = [result[name] for result in results]
        yield f"  {title} {mean(values):.4f}, standard deviation {stdev(values):.4f}"


def _other_content(one, other):
    """Whether videos of the same names are known to be others."""
    marks = [evaluation.result.get("test_fingerprint") for evaluation in (one, other)]
    return None not in marks and marks[0] != marks[1]


def main(arguments):
    """Prints the comparison of the evaluations that are named."""
    if len(arguments) < 2:
        raise ConfigError(
            f"Two or more evaluations can be compared; received {len(arguments)}."
        )
    evaluations = [read_evaluation(name) for name in arguments]
    lines = list(table(evaluations))
    means = list(of_splits(evaluations))
    if means:
        lines += ["", *means]
    for one, other in itertools.combinations(evaluations, 2) if not means else ():
        lines += ["", *pair(one, other)]
    produce(*lines)


if __name__ == "__main__":
    parse()
    run(main)
