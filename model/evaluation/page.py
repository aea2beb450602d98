"""An evaluation as one page that a person opens first, and that needs nothing else."""

import base64
import collections
import dataclasses
import datetime
import hashlib
import platform
from pathlib import Path

from configs.schema.data import TORCHVISION_RATE
from configs.schema.protocol import unusual
from configs.schema.serialization import to_json
from model.evaluation import charts
from model.evaluation.gallery import gallery
from model.evaluation.metrics import confusions
from storage.history import Epoch
from storage.pages import render
from storage.rows import Rows
from storage.starts import read_starts

HERE = Path(__file__)
CONFUSIONS = 20  # pairs of classes that are listed at most
NAMED = 10  # videos that could not be read, and starts, that are listed at most
# The other results, whose names have the suffix of the page's.
FILES = (
    ("evaluation", "json"),
    ("evaluation_timing", "json"),
    ("predictions", "csv"),
    ("confusion_matrix", "csv"),
    ("confusion_matrix", "png"),
)
# Accuracies of evaluation.json, where it has them, as the page calls them.
SCORES = {
    "top1": "top-1",
    "top5": "top-5",
    "mean_class_accuracy": "mean class",
    "single_clip_top1": "top-1 of one clip",
    "single_view_top1": "top-1 of one view",
}


@dataclasses.dataclass(frozen=True)
class ClassRow:
    """What became of the test videos of one class.

    Attributes:
        name: of the class.
        count: of its test videos.
        accuracy: in [0, 1]; None without test videos.
        taken_for: the class that most of the others were taken for; None without one.
        taken: how many these are.
    """

    name: str
    count: int
    accuracy: float | None
    taken_for: str | None
    taken: int


def evaluation_page(path, result, matrix, probabilities, clips, config):
    """The page as text.

    Args:
        path: what it is to be called; other results have the same suffix and folder. A
            page without a suffix shows the curves of the run in that folder.
        result: what evaluation.json holds.
        matrix: int [classes, classes + 1], as `confusion_matrix` counts.
        probabilities: see `model.evaluation.gallery.gallery`.
        clips: see there.
        config: the `Experiment` that was evaluated.

    Returns:
        str of HTML; names from outside are text in it, whatever they are made of.
    """
    names = clips.class_names
    folder, suffix = path.parent, path.stem.removeprefix("report")
    script = HERE.with_suffix(".js").read_text(encoding="utf-8")
    mistakes, hits = gallery(probabilities, clips)
    return render(
        HERE.with_suffix(".html"),
        title=f"{folder.absolute().name}{suffix}",
        scores=scores_shown(result),
        cautions=cautions(result),
        protocol=protocol(result),
        charts=[] if suffix else run_charts(folder),
        calibration_error=result["expected_calibration_error"],
        reliability=charts.reliability_diagram(result["calibration_bins"]),
        classes=class_rows(matrix, names),
        confusions=[
            (names[label], names[taken], count, videos)
            for label, taken, count, videos in confusions(matrix, CONFUSIONS)
        ],
        mistaken=int(matrix[:, :-1].sum() - matrix.trace()),
        mistakes=mistakes,
        hits=hits,
        facts=facts(result),
        starts=[] if suffix else run_starts(folder),
        config=to_json(config),
        files=[
            f"{stem}{suffix}.{ending}"
            for stem, ending in FILES
            if (folder / f"{stem}{suffix}.{ending}").exists()
        ],
        plot=charts,
        script=script,
        # The browser runs no other script, whatever a name holds.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def scores_shown(result):
    """(name, fraction, its 95 % interval or None) of each accuracy that there is."""
    return [
        (words, result[name], result.get(f"{name}_interval"))
        for name, words in SCORES.items()
        if result.get(name) is not None
    ]


def cautions(result):
    """What a reader must know before believing the result: list of sentences."""
    found, videos = [], result["videos"]
    unreadable = result["unreadable"]
    if unreadable:
        more = len(unreadable) - NAMED
        found.append(
            f"{len(unreadable)} of {videos} test videos could not be read, and count "
            f"as wrong: {', '.join(unreadable[:NAMED])}"
            + (f" and {more} more." if more > 0 else ".")
        )
    if result.get("undecided"):
        found.append(
            f"{result['undecided']} of {videos} test videos have no single most likely "
            "class, and count as wrong."
        )
    kinds = result.get("trained_videos", {})
    if kinds:
        by = ", ".join(f"{count} by {kind}" for kind, count in sorted(kinds.items()))
        found.append(
            f"The model was trained on {sum(kinds.values())} of {videos} test videos "
            f"(known {by}): the result says little about new ones."
        )
    elif kinds is None:
        found.append(
            "It is not known which videos the model was trained on; test videos may be "
            "among them."
        )
    if result["shuffle_frames"]:
        found.append("The frames of every clip were put in a random order.")
    return found


def protocol(result):
    """How it was measured, in words: list of (what, words)."""
    if result["frame_sampling"] == "segments":
        sampling = "one from each equal segment of the video"
    elif result.get("view_sampling") == "torchvision":
        sampling = f"at {TORCHVISION_RATE} frames per second"
    else:
        sampling = f"at an interval of {result['frame_interval']}"
    clips, crops, size = (result[name] for name in ("clips", "crops", "size"))
    other = "".join(f"; {words}" for words in unusual(result))
    said = {
        "views": f"{clips} clips × {crops} crops of each video, whose probabilities "
        f"are averaged{other}",
        "clip": f"{result['frames']} frames, {sampling}; {size} × {size} pixels",
        "videos": f"{result['videos']} of {result['classes']} classes, tested under "
        f"data.source={result['source']}, data.split={result['split']}",
        "root": result["root"],
        "step": result["step"],
        "checkpoint": result.get("checkpoint"),
        "weights": result.get("weights_sha256"),
        "precision": result["precision"],
    }
    return [(what, words) for what, words in said.items() if words not in (None, "")]


def class_rows(matrix, names):
    """A `ClassRow` for each class, the worst first, those without videos last.

    Args:
        matrix: see `evaluation_page`.
        names: of the classes, in the order of the labels.
    """
    rows = []
    for label, (name, row) in enumerate(zip(names, matrix, strict=True)):
        count = int(row.sum())
        others = row[:-1].copy()
        others[label] = 0
        most = others.argmax()
        rows.append(
            ClassRow(
                name=name,
                count=count,
                accuracy=row[label] / count if count else None,
                taken_for=names[most] if others[most] else None,
                taken=int(others[most]),
            )
        )
    return sorted(rows, key=lambda r: (not r.count, r.accuracy or 0, -r.count, r.name))


def run_charts(folder):
    """Loss, accuracy and learning rate of the run in a folder: list of `Chart`."""
    steps = Rows(folder / "journal.jsonl").read()
    epochs = Rows(folder / "history.jsonl", Epoch, key="epoch").read()

    def values(rows, name):
        return [(row["step"], row.get(name)) for row in rows]

    def lines(name, validated):
        return [
            ("training", "train", values(steps, name)),
            ("validation", "validation", values(epochs, validated)),
        ]

    rates = [("", "train", values(steps, "learning_rate"))]
    drawn = [
        charts.line_chart("Loss", lines("loss", "validation_loss"), low=0),
        charts.line_chart("Accuracy", lines("accuracy", "top1"), low=0, high=1),
        charts.line_chart("Learning rate", rates, low=0),
    ]
    return [chart for chart in drawn if chart]


def run_starts(folder):
    """(time, step, host, devices, commit) of the last starts of the run in a folder."""
    return [
        (
            row.get("time", ""),
            row.get("step", ""),
            row.get("host", ""),
            devices_shown(row.get("devices") or []),
            (row.get("commit") or "")[:10],
        )
        for row in read_starts(folder / "starts.jsonl")[-NAMED:]
    ]


def devices_shown(devices):
    """Names of devices, each once, as in "8 x NVIDIA H200"."""
    counts = collections.Counter(map(str, devices))
    return ", ".join(f"{n} × {name}" if n > 1 else name for name, n in counts.items())


def facts(result):
    """Where, when and with what it was computed: list of (what, words)."""
    now = datetime.datetime.now(datetime.timezone.utc)
    left_out = result.get("left_out") or []
    versions = {"python": platform.python_version(), **result["versions"]}
    return [
        ("written", f"{now:%Y-%m-%d %H:%M} UTC"),
        ("machine", f"{platform.node()}, {platform.platform()}"),
        ("versions", ", ".join(f"{k} {v}" for k, v in versions.items() if v)),
        ("test videos", result.get("test_fingerprint") or "not known"),
        ("left out", ", ".join(left_out) or "no video of the training list"),
    ]
