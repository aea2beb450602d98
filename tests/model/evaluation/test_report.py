"""The files of a report agree with each other, whatever the names are."""

import csv
import dataclasses
import json
import subprocess
import sys
import types

import numpy as np
import pytest
from matplotlib import image

from configs.command.errors import StorageError
from configs.demo import config
from configs.schema import Views
from model.evaluation import page, picture, report
from model.evaluation.evaluator import Probabilities
from model.evaluation.report import suffix_of, summary, write_report

NAMES = ("left", "right", "up")
LABELS = np.array([0, 1, 2, 1])
MEAN = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.0, 0.0, 0.0]])
READABLE = np.array([True, True, True, False])
# The files of a report, but for its pictures.
NUMBERS = {
    "confusion_matrix.csv",
    "evaluation.json",
    "evaluation_timing.json",
    "predictions.csv",
}


def probabilities_of(mean, readable):
    """`Probabilities` of videos whose views all have the same."""
    readable = np.asarray(readable)
    return Probabilities(
        mean=mean, single_clip=mean, single_view=mean, readable=readable, seconds=2.0
    )


def measured():
    """Clips and probabilities of four videos, of which one cannot be read."""
    clips = types.SimpleNamespace(
        test_videos=("a.avi", "b, c.avi", "d.avi", "e.avi"),
        test_paths=(),
        test_labels=LABELS,
        class_names=NAMES,
        centre_view=lambda video: None,
    )
    return clips, probabilities_of(MEAN, READABLE)


def test_the_files_agree(tmp_path):
    clips, probabilities = measured()
    result = write_report(tmp_path / "new", probabilities, clips, config(), step=7)
    folder = tmp_path / "new"
    assert json.loads((folder / "evaluation.json").read_text()) == result
    assert (result["videos"], result["views"], result["step"]) == (4, 2, 7)
    assert result["unreadable"] == ["e.avi"]
    assert result["class_accuracies"] == {"left": 1, "right": 0, "up": 1}
    with open(folder / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:2] == ["video", "label"]
    assert [row["video"] for row in rows] == list(clips.test_videos)
    right = [row["label"] == row["prediction"] for row in rows]
    assert np.mean(right) == result["top1"]
    assert (folder / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")
    assert "50.0&nbsp;%" in (folder / "report.html").read_text(encoding="utf-8")
    assert "top-1 0.5000 (95 % 0.15-0.85)" in summary(result)
    assert "1 unreadable, counted as wrong" in summary(result)
    assert "top-" not in summary(result).replace("top-1", "")


def test_a_result_says_how_sure_it_is(tmp_path):
    clips, probabilities = measured()
    result = write_report(tmp_path, probabilities, clips, config(), step=7)
    assert result["top1_interval"] == pytest.approx([0.1500, 0.8500], abs=1e-4)
    assert "top5_interval" not in result  # Of three classes.
    assert result["class_counts"] == {"left": 1, "right": 2, "up": 1}
    # Right with 0.8 and 0.7, wrong with 0.6; the last video has no confidence.
    error = (0.2 + 0.3 + 0.6) / 3
    assert result["expected_calibration_error"] == pytest.approx(error)
    assert sum(one["videos"] for one in result["calibration_bins"]) == 3


def test_fewer_views_are_measured_beside_all_of_them(tmp_path):
    """Single clips are right about three videos, single views about none."""
    clips, probabilities = measured()
    probabilities = dataclasses.replace(
        probabilities,
        readable=np.ones(4, bool),
        single_clip=np.eye(3)[[0, 1, 2, 2]],
        single_view=np.eye(3)[[1, 0, 0, 0]],
    )
    result = write_report(tmp_path, probabilities, clips, config(), step=7)
    assert result["single_clip_top1"] == 0.75 and result["single_view_top1"] == 0
    one = dataclasses.replace(config(), views=Views(clips=1, crops=1))
    result = write_report(tmp_path, probabilities, clips, one, step=7)
    assert not [name for name in result if name.startswith("single")]


def test_only_the_timing_depends_on_how_long_it_took(tmp_path):
    clips, probabilities = measured()
    for seconds, folder in ((2.0, "fast"), (50.0, "slow")):
        write_report(
            tmp_path / folder,
            dataclasses.replace(probabilities, seconds=seconds),
            clips,
            config(),
            step=7,
        )
    fast, slow = (
        {p.name: p.read_bytes() for p in f.iterdir()}
        for f in sorted(tmp_path.iterdir())
    )
    timing = [json.loads(files.pop("evaluation_timing.json")) for files in (fast, slow)]
    for files in (fast, slow):
        del files["report.html"]  # It says in which folder, when and where it was made.
    # Four videos of two views each.
    assert timing == [
        {"seconds": 2, "views_per_second": 4},
        {"seconds": 50, "views_per_second": 0.16},
    ]
    assert fast == slow and "evaluation.json" in fast


@pytest.mark.parametrize(
    ("top1", "videos", "shown"),
    [
        (34 / 37, 37, "top-1 0.9189 (95 % 0.79-0.97)  "),
        (1.0, 80, "top-1 1.0000 (95 % 0.954-1.000)  "),
        (0.9512, 3783, "top-1 0.9512 (95 % 0.944-0.958)  "),
        (0.0, 19796, "top-1 0.0000 (95 % 0.0000-0.0002)  "),
    ],
)
def test_the_printed_interval_has_as_many_digits_as_it_needs(top1, videos, shown):
    """And is known of the results of earlier versions, too."""
    result = {
        "top1": top1,
        "mean_class_accuracy": top1,
        "videos": videos,
        "views": 12,
        "unreadable": [],
    }
    assert summary(result).startswith(shown)


def test_a_result_says_what_it_depends_on(tmp_path):
    clips, probabilities = measured()
    experiment = config()
    facts = {"weights_sha256": "0" * 64, "trained_videos": {"name": 2, "group": 1}}
    result = write_report(tmp_path, probabilities, clips, experiment, 7, facts=facts)
    assert result["weights_sha256"] == "0" * 64
    expected = {
        "split": 1,
        "frames": 8,
        "frame_sampling": "interval",
        "frame_interval": 1,
        "size": 32,
        "shuffle_frames": False,
        "clips": 2,
        "crops": 1,
        "view_sampling": "official",
        "short_side": 0,
        "precision": "float32",
        "seed": 0,
        "classes": 3,
        "undecided": 0,
    }
    assert {name: result[name] for name in expected} == expected
    assert set(result["versions"]) == {"tensorflow", "opencv-python-headless", "av"}
    assert all(result["versions"].values())
    assert "3 OF THEM TRAINED ON" in summary(result)


def test_videos_without_a_single_most_likely_class_are_counted(tmp_path):
    clips, probabilities = measured()
    probabilities = dataclasses.replace(probabilities, mean=np.full([4, 3], 1 / 3))
    result = write_report(tmp_path, probabilities, clips, config(), step=7)
    assert (result["top1"], result["undecided"]) == (0, 3)
    assert "3 without a single most likely class" in summary(result)
    with open(tmp_path / "predictions.csv", newline="") as file:
        assert {row["prediction"] for row in csv.DictReader(file)} == {""}


def test_names_of_files_say_what_differs_from_the_run(tmp_path):
    clips, probabilities = measured()
    write_report(tmp_path, probabilities, clips, config(), step=7)
    plain = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_report(tmp_path, probabilities, clips, config(), step=3, suffix="-step3-1x1")
    for name, content in plain.items():
        assert (tmp_path / name).read_bytes() == content
        stem, _, ending = name.partition(".")
        assert (tmp_path / f"{stem}-step3-1x1.{ending}").is_file()


@pytest.mark.parametrize(
    ("changes", "suffix"),
    [
        ({}, ""),
        ({"views.clips": 1}, "-1x1"),
        ({"views.crops": 3}, "-2x3"),
        ({"data.split": 2, "views.crops": 3}, "-split2-2x3"),
        ({"data.shuffle_frames": True, "seed": 3}, "-shuffled"),
        ({"data.frame_interval": 2}, "-frame_interval2"),
        ({"data.frame_sampling": "segments", "data.frame_interval": 2}, "-segments"),
        ({"views.sampling": "mmaction2"}, "-mmaction2"),
        (
            {
                "views.clips": 12,
                "views.sampling": "torchvision",
                "views.short_side": 40,
            },
            "-12x1-torchvision-short_side40",
        ),
        ({"runtime.precision": "mixed_bfloat16"}, "-bfloat16"),
        ({"runtime.replicas": 4, "data.threads": 3, "seed": 5}, ""),
    ],
)
def test_every_option_that_a_number_depends_on_is_in_the_names(changes, suffix):
    experiment = config()
    for name, value in changes.items():
        section, _, option = name.rpartition(".")
        if section:
            part = getattr(experiment, section)
            value = dataclasses.replace(part, **{option: value})
        experiment = dataclasses.replace(experiment, **{section or option: value})
    assert suffix_of(config(), experiment) == suffix
    both = suffix_of(config(), experiment, step=7, videos="0123456789abcdef")
    assert both.startswith("-step7-") and "-videos01234567" in both


AWKWARD = (
    "pay_$5_to_$10^",
    "$\\frac{a}{$",
    "\\begin{x} % {} {0} %s",
    "a, b; c\td",
    "he said \"hi\" 'so'",
    "two\nlines\r\nand\rone",
    "\x1b[31mred\x07",
    "=cmd|' /C calc'!A0",
    "+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1",
    "＠a",
    "'quoted'",
    "''",
    "-1.5",
    "label",
    "快钱",
    "مرحبا",
    "\U0001f468\u200d\U0001f469 😀",
    "zero\u200bwidth",
    "\u202eright to left",
    "caf\udce9",
    "café",
    "cafe\u0301",
    "é" * 300,
    " ",
)


def awkward_report(folder):
    """A report on one video of each awkward class, all of them predicted right."""
    labels = np.arange(len(AWKWARD))
    clips = types.SimpleNamespace(
        test_videos=tuple(f"{name}/{name}.mp4" for name in AWKWARD),
        test_paths=(),
        test_labels=labels,
        class_names=AWKWARD,
        centre_view=lambda video: None,
    )
    mean = np.eye(len(AWKWARD)) * 0.9 + 0.1 / len(AWKWARD)
    probabilities = probabilities_of(mean, labels >= 0)
    return write_report(folder, probabilities, clips, config(), step=7), clips


def named(cell):
    """The name in a cell, as the documentation tells programs to read it."""
    return cell.removeprefix("'")


def test_names_go_unharmed_through_every_file(tmp_path):
    result, clips = awkward_report(tmp_path)
    read = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert read == result
    assert tuple(read["class_accuracies"]) == AWKWARD
    picture = image.imread(tmp_path / "confusion_matrix.png")
    assert picture.std() > 0.05

    shown = tuple(n.encode(errors="backslashreplace").decode() for n in AWKWARD)
    with open(tmp_path / "predictions.csv", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(map(named, header[4:])) == shown
    assert tuple(named(row[2]) for row in rows) == shown
    assert [named(row[0]) for row in rows] == [f"{n}/{n}.mp4" for n in shown]
    assert all(np.float64(row[3:]).sum() > 1.8 for row in rows)
    with open(tmp_path / "confusion_matrix.csv", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(map(named, header[1:-1])) == shown
    assert [[named(row[0]), *map(int, row[1:])] for row in rows] == [
        [name, *np.eye(len(shown) + 1, dtype=int)[label]]
        for label, name in enumerate(shown)
    ]


def test_no_cell_is_a_formula_and_numbers_stay_numbers(tmp_path):
    awkward_report(tmp_path)
    for name in ("predictions.csv", "confusion_matrix.csv"):
        with open(tmp_path / name, encoding="utf-8", newline="") as file:
            for cell in (cell for row in csv.reader(file) for cell in row):
                assert not cell.startswith(tuple("=+-@\t\r\n＝＋－＠"))
        # Read so, csv makes a float of every cell that is not quoted, or fails.
        with open(tmp_path / name, encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, quoting=csv.QUOTE_NONNUMERIC))
        assert all(isinstance(cell, str) for cell in rows[0])
        assert all(isinstance(cell, float) for row in rows[1:] for cell in row[-3:])


def test_a_picture_that_cannot_be_drawn_costs_only_itself(
    tmp_path, monkeypatch, caplog
):
    awkward_report(tmp_path)
    before = (tmp_path / "predictions.csv").read_bytes()
    (tmp_path / "predictions.csv").unlink()

    def fail(*_, **__):
        raise ValueError("no\nroom")

    monkeypatch.setattr(picture, "png", fail)
    result, _ = awkward_report(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {*NUMBERS, "report.html"}
    assert (tmp_path / "predictions.csv").read_bytes() == before
    assert json.loads((tmp_path / "evaluation.json").read_text("utf-8")) == result
    (line,) = [r.getMessage() for r in caplog.records if "made" in r.getMessage()]
    assert "confusion_matrix.png cannot be made (ValueError: no" in line


def test_the_numbers_are_there_before_the_picture_is_drawn(tmp_path, monkeypatch):
    """Whatever ends the drawing; an earlier picture does not stay beside them."""
    awkward_report(tmp_path)
    before = (tmp_path / "evaluation.json").read_bytes()
    for name in ("predictions.csv", "confusion_matrix.csv", "evaluation.json"):
        (tmp_path / name).write_text("{}")

    def end(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(picture, "png", end)
    with pytest.raises(KeyboardInterrupt):
        awkward_report(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == NUMBERS
    assert (tmp_path / "evaluation.json").read_bytes() == before


def test_a_page_that_cannot_be_made_costs_only_itself(tmp_path, monkeypatch, caplog):
    awkward_report(tmp_path)
    assert (tmp_path / "report.html").is_file()

    def fail(*_):
        raise ValueError("no\nroom")

    monkeypatch.setattr(page, "evaluation_page", fail)
    result, _ = awkward_report(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {*NUMBERS, "confusion_matrix.png"}
    assert json.loads((tmp_path / "evaluation.json").read_text("utf-8")) == result
    assert "report.html cannot be made (ValueError: no" in caplog.text


def test_the_numbers_are_there_before_the_page_is_made(tmp_path, monkeypatch):
    awkward_report(tmp_path)

    def end(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(page, "evaluation_page", end)
    with pytest.raises(KeyboardInterrupt):
        awkward_report(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {*NUMBERS, "confusion_matrix.png"}


def test_a_picture_that_cannot_be_written_costs_only_itself(
    tmp_path, monkeypatch, caplog
):
    def fail(path, content):
        raise StorageError(f"{path} could not be written: the disk is full.")

    monkeypatch.setattr(report, "write_atomically", fail)
    result, _ = awkward_report(tmp_path)
    assert json.loads((tmp_path / "evaluation.json").read_text("utf-8")) == result
    assert "the disk is full" in caplog.text


def test_a_picture_of_many_classes_takes_little_memory(repository):
    """As an image, scaled to its pixels, that of 150 classes took 350 MB."""
    code = (
        "import resource, numpy as np; from model.evaluation.picture import matrix_png;"
        "m = np.ones([150, 151], int); names = [str(i) for i in range(150)];"
        "result = {'top1': 0.5, 'videos': 9};"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "matrix_png(m[:2, :3], names[:2], result); before = peak();"
        "matrix_png(m, names, result); print((peak() - before) // 1024)"
    )
    output = subprocess.check_output([sys.executable, "-c", code], cwd=repository)
    assert int(output) < 150


@pytest.mark.parametrize("classes", [1, 2])
def test_few_classes_are_drawn(tmp_path, classes):
    clips = types.SimpleNamespace(
        test_videos=("a",),
        test_paths=(),
        test_labels=np.array([0]),
        class_names=("$", "$$")[:classes],
        centre_view=lambda video: None,
    )
    mean = np.full((1, classes), 1 / classes)
    probabilities = probabilities_of(mean, [True])
    write_report(tmp_path, probabilities, clips, config(), step=7)
    assert (tmp_path / "confusion_matrix.png").is_file()
    assert (tmp_path / "report.html").is_file()
