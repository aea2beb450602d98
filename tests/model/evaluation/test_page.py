"""The page of an evaluation says what evaluation.json says, whatever the names are."""

import json

import numpy as np
import pytest

from configs.command.text import printable
from configs.demo import config
from model.evaluation.metrics import confusion_matrix
from model.evaluation.page import class_rows, evaluation_page
from storage.rows import Rows
from tests.model.evaluation.synthetic import synthetic
from tests.model.evaluation.test_report import AWKWARD
from tests.parsed_page import Page

SCRIPT = "<script>document.title = 'run'</script>"
PICTURE = '"><img src=x onerror=alert(1)>'
MARKUP = (SCRIPT, PICTURE, "' onload='", "</script>", "{{ 7 }}")
EMPTY = {"videos": 0, "confidence": None, "accuracy": None}
NO_CONFIDENCE = {"expected_calibration_error": None, "calibration_bins": [EMPTY] * 15}


def page_of(path, parts):
    """A page that was written where it is to be, and its text."""
    text = evaluation_page(path, *parts, config())
    path.write_text(text, encoding="utf-8")
    return Page(text), text


def write_run(folder, steps=30):
    """The rows of a run, and of its two starts."""
    journal = Rows(folder / "journal.jsonl")
    history = Rows(folder / "history.jsonl", key="epoch")
    for step in range(1, steps + 1):
        values = {"loss": 1 / step, "accuracy": 0.5, "learning_rate": 1e-3}
        journal.append({"step": step, **values})
    for epoch in range(3):
        values = {"loss": 1.0, "accuracy": 0.5, "validation": "test", "top1": 0.25}
        history.append({"epoch": epoch, "step": 10 * (epoch + 1), **values})
    start = {"time": "2026-01-01T00:00:00+00:00", "step": 0, "host": "node <7>"}
    devices = {"devices": ["GPU:0 (H200)"] * 2, "commit": "0123456789abcdef"}
    lines = [json.dumps(start | devices), json.dumps(start | {"step": 20}), "torn"]
    (folder / "starts.jsonl").write_text("\n".join(lines))


def test_the_page_says_what_was_measured_and_how(tmp_path):
    parts = synthetic(
        ("left", "right", "up"),
        60,
        top1_interval=[0.71, 0.89],
        single_clip_top1=0.65,
        checkpoint="step-00000007",
        weights_sha256="ab" * 32,
        test_fingerprint="cd" * 32,
    )
    page, _ = page_of(tmp_path / "report.html", parts)
    top1 = f"{100 * parts[0]['top1']:.1f} %"
    assert f"top-1 {top1} 95 %: 71.0–89.0 %" in page.text
    assert "top-1 of one clip 65.0 %" in page.text
    assert "2 clips × 2 crops of each video" in page.text
    assert "16 frames, at an interval of 2; 32 × 32 pixels" in page.text
    assert "60 of 3 classes, tested under data.source=ucf101, data.split=1" in page.text
    assert "placed as by" not in page.text and "short side" not in page.text
    for value in ("step-00000007", "ab" * 32, "cd" * 32, "UCF101", "tensorflow 2.21.0"):
        assert value in page.text
    assert '"batch_size": 8' in page.text  # The configuration.


def test_it_names_the_protocol_of_another_project(tmp_path):
    changes = {"view_sampling": "torchvision", "short_side": 40}
    parts = synthetic(["a", "b", "c"], 60, **changes)
    page, _ = page_of(tmp_path / "report.html", parts)
    assert "averaged; clips placed as by torchvision; short side 40" in page.text
    assert "16 frames, at 15 frames per second; 32 × 32 pixels" in page.text
    assert "cautions" not in {value for _, name, value in page.attributes if name}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"unreadable": ["a.avi"]}, "1 of 20 test videos could not be read, and count"),
        ({"unreadable": [f"{i}.avi" for i in range(14)]}, "8.avi, 9.avi and 4 more."),
        ({"undecided": 3}, "3 of 20 test videos have no single most likely class"),
        (
            {"trained_videos": {"name": 2, "group": 1}},
            "trained on 3 of 20 test videos (known 1 by group, 2 by name)",
        ),
        ({"trained_videos": None}, "It is not known which videos"),
        ({"shuffle_frames": True}, "put in a random order"),
    ],
)
def test_what_a_reader_must_know_first_comes_first(tmp_path, changes, sentence):
    page, text = page_of(tmp_path / "report.html", synthetic("ab", 20, **changes))
    assert sentence in page.text
    assert ("div", "class", "cautions") in page.attributes
    assert text.index('class="cautions"') < text.index("<dl>")


def test_names_are_text_and_tags_are_closed(tmp_path):
    names = MARKUP + AWKWARD
    parts = synthetic(names, 3 * len(names), unreadable=[SCRIPT], root=SCRIPT)
    folder = tmp_path / 'a run\'s <b> "#1"'
    folder.mkdir()
    page, text = page_of(folder / "report.html", parts)
    assert not page.open
    assert page.tags.count("script") == text.count("</script>") == 1
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert {v for tag, name, v in page.attributes if name == "src"} == {*page.pictures}
    for name in names:
        shown = printable(name)
        assert ("option", "value", shown) in page.attributes
        assert shown.strip() in page.texts
    text.encode()  # Nothing that is no text is left.
    assert set(text) & set(map(chr, range(32))) == {"\n"}


def test_nothing_comes_from_elsewhere(tmp_path):
    page, text = page_of(tmp_path / "report.html", synthetic("abc", 60))
    assert all(src.startswith("data:image/jpeg;base64,/9j/") for src in page.pictures)
    assert page.pictures
    assert not {"link", "iframe", "object"} & set(page.tags)
    assert "http:" not in text and "https:" not in text and "url(" not in text
    (policy,) = [v for _, _, v in page.attributes if v and v.startswith("default-src")]
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_a_runs_own_page_has_its_curves_and_starts(tmp_path):
    write_run(tmp_path)
    parts = synthetic("abc", 30)
    page, _ = page_of(tmp_path / "report.html", parts)
    labels = [v for tag, name, v in page.attributes if name == "aria-label"]
    curves = ["Loss", "Accuracy", "Learning rate"]
    assert labels == ["Accuracy by confidence", *curves]
    assert page.tags.count("circle") == 3  # The epochs' top-1; they have no loss.
    assert "node <7>" in page.texts and "2 × GPU:0 (H200)" in page.texts
    assert "0123456789" in page.texts
    page, _ = page_of(tmp_path / "report-1x1.html", parts)
    assert page.tags.count("svg") == 1 and "node <7>" not in page.texts


def test_the_other_results_that_are_there_are_linked(tmp_path):
    for name in ("evaluation.json", "evaluation-1x1.json", "predictions-1x1.csv"):
        (tmp_path / name).touch()
    page, _ = page_of(tmp_path / "report-1x1.html", synthetic("abc", 30))
    links = [value for _, name, value in page.attributes if name == "href"]
    assert links == ["evaluation-1x1.json", "predictions-1x1.csv"]


def test_calibration_is_drawn_where_a_video_has_a_confidence(tmp_path):
    parts = synthetic("abc", 300)
    page, _ = page_of(tmp_path / "report.html", parts)
    full = [each for each in parts[0]["calibration_bins"] if each["videos"]]
    assert page.tags.count("rect") == len(full) > 3
    error = 100 * parts[0]["expected_calibration_error"]
    assert f"Expected calibration error {error:.1f} %" in page.text
    parts[0].update(NO_CONFIDENCE)
    page, _ = page_of(tmp_path / "report.html", parts)
    assert "Calibration" not in page.texts


def test_classes_come_worst_first_and_those_without_videos_last():
    matrix = np.array(
        [[8, 2, 0, 0, 0], [0, 0, 3, 0, 1], [0, 0, 0, 0, 0], [0, 1, 0, 1, 0]]
    )
    rows = class_rows(matrix, ("a", "b", "c", "d"))
    assert [(row.name, row.count, row.accuracy) for row in rows] == [
        ("b", 4, 0),
        ("d", 2, 0.5),
        ("a", 10, 0.8),
        ("c", 0, None),
    ]
    taken = [(row.taken_for, row.taken) for row in rows]
    assert taken == [("c", 3), ("b", 1), ("b", 2), (None, 0)]


def test_without_mistakes_the_page_says_so(tmp_path):
    result, _, probabilities, clips = synthetic("ab", 20)
    probabilities.mean = np.eye(2)[clips.test_labels] * 0.8 + 0.1
    matrix = confusion_matrix(
        probabilities.mean, probabilities.readable, clips.test_labels
    )
    parts = (result, matrix, probabilities, clips)
    page, _ = page_of(tmp_path / "report.html", parts)
    assert "No video was taken for another class." in page.texts
    assert "The most frequent confusions" not in page.texts
    assert len(page.pictures) == 6


@pytest.mark.parametrize("names", ["a", "ab"])
def test_a_page_of_videos_of_which_none_can_be_read(tmp_path, names):
    result, matrix, probabilities, clips = synthetic(names, 4, right=0)
    probabilities.readable[:] = False
    probabilities.mean[:] = 0
    matrix[:] = 0
    matrix[:, -1] = 4 // len(names)
    result |= {"top1": 0.0, "mean_class_accuracy": 0.0}
    result |= NO_CONFIDENCE
    result["unreadable"] = list(clips.test_videos)
    parts = (result, matrix, probabilities, clips)
    page, _ = page_of(tmp_path / "report.html", parts)
    assert "4 of 4 test videos could not be read" in page.text
    assert not page.pictures


def test_the_page_of_ucf101_is_small_whatever_the_videos_show(tmp_path):
    write_run(tmp_path, steps=3000)
    names = [f"ClassWithALongName{i}" for i in range(101)]
    parts = synthetic(names, 3783, size=224, frames=32, noisy=True)
    page, text = page_of(tmp_path / "report.html", parts)
    assert len(page.pictures) == 18
    assert len(text.encode()) < 2e6
