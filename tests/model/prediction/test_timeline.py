import csv
import json

import numpy as np
import pytest

from data.sliding import Place, Window
from model.prediction.timeline import Timeline, clock, timelines

NAMES = ("Fall", "Rise")
WINDOWS = [Window(0, 63, 25.0), Window(1810, 1873, 25.0)]
ROWS = [np.array([0.25, 0.75]), np.array([0.5, 0.5])]
BAD = ValueError("frame 7 is missing")


def timeline(fps=25.0):
    windows = [Window(w.first, w.last, fps) for w in WINDOWS]
    return Timeline("a.mp4", windows, ROWS)


def test_people_read_times():
    assert timeline().text(NAMES, 2) == [
        "a.mp4",
        "  0:00:00.0-0:00:02.6  0.750 Rise  0.250 Fall",
        "  0:01:12.4-0:01:15.0  0.500 Fall  0.500 Rise",
    ]
    unknown = timeline(fps=0.0).text(NAMES, 1)
    assert unknown[2] == "  frames 1810-1873     0.500 Fall"
    assert Timeline("a.mp4", error=BAD).text(NAMES, 1) == []


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0:00:00.0"),
        (0.04, "0:00:00.0"),
        (0.05, "0:00:00.1"),
        (59.96, "0:01:00.0"),
        (3661.25, "1:01:01.3"),
        (36000, "10:00:00.0"),
    ],
)
def test_a_clock_shows_tenths(seconds, shown):
    assert clock(seconds) == shown


def test_programs_read_json():
    [line] = timeline().json(NAMES, 1)
    said = json.loads(line)
    assert said["video"] == "a.mp4" and len(said["windows"]) == 2
    assert said["windows"][0] == {
        "first_frame": 0,
        "last_frame": 63,
        "start_seconds": 0.0,
        "end_seconds": 2.56,
        "predictions": [{"class": "Rise", "label": 1, "probability": 0.75}],
    }
    [line] = timeline(fps=0.0).json(NAMES, 1)
    assert json.loads(line)["windows"][1]["start_seconds"] is None
    [line] = Timeline("a.mp4", error=BAD).json(NAMES, 1)
    assert json.loads(line) == {"video": "a.mp4", "error": "frame 7 is missing"}


def test_spreadsheets_read_csv():
    bad = Timeline("b.mp4", error=BAD)
    lines = [
        Timeline.csv_head(1),
        *timeline().csv(NAMES, 1),
        *timeline(fps=0.0).csv(NAMES, 1),
        *bad.csv(NAMES, 1),
    ]
    head, first, _, _, unknown, wrong = csv.reader(lines)
    place = ["first_frame", "last_frame", "start_seconds", "end_seconds"]
    assert head == ["video", "error", *place, "class_1", "probability_1"]
    assert first == ["a.mp4", "", "0", "63", "0.0", "2.56", "Rise", "0.75"]
    assert unknown == ["a.mp4", "", "1810", "1873", "", "", "Fall", "0.5"]
    assert wrong == ["b.mp4", "frame 7 is missing", *[""] * 6]


def places(number, video):
    return [Place(number, video, window) for window in WINDOWS]


def test_clips_are_put_together_by_video():
    both = [*places(0, "a"), *places(1, "b"), *places(2, "b")]  # b was asked for twice.
    bad = [Place(3, "c"), Place(4, "c"), Place(5, "d", WINDOWS[0]), Place(5, "d")]
    results = [(place, ROWS[0]) for place in both]
    results += [(p, ROWS[0] if p.window else BAD) for p in bad]
    found = list(timelines(results))
    assert [t.video for t in found] == ["a", "b", "b", "c", "c", "d"]
    assert [len(t.windows) for t in found] == [2, 2, 2, 0, 0, 1]
    assert [t.error for t in found] == [None] * 3 + [BAD] * 3
    assert not list(timelines([]))


def test_a_timeline_is_there_as_soon_as_the_next_one_begins():
    asked = []

    def results():
        for number, video in enumerate("abc"):
            asked.append(video)
            yield Place(number, video, WINDOWS[0]), ROWS[0]

    assert next(timelines(results())).video == "a"
    assert asked == ["a", "b"]
