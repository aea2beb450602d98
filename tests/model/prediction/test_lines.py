import csv
import json

import numpy as np

from model.prediction.lines import as_csv, as_json, as_text, csv_head

NAMES = ("Fall", "=rise", 'sl"ide,', "ä")
ROW = np.array([0.125, 0.5, 0.25, 0.125])


def test_people_read_the_likeliest_first():
    assert as_text("a.mp4", ROW, NAMES, 3) == [
        "a.mp4",
        "   0.500  =rise",
        '   0.250  sl"ide,',
        "   0.125  Fall",  # Of two that are as likely, in the order of the labels.
    ]
    assert len(as_text("a.mp4", ROW, NAMES, 99)) == 5


def test_programs_read_json():
    assert json.loads(as_json("odd\udcff.mp4", ROW, NAMES, 2)) == {
        "video": "odd\udcff.mp4",
        "predictions": [
            {"class": "=rise", "label": 1, "probability": 0.5},
            {"class": 'sl"ide,', "label": 2, "probability": 0.25},
        ],
    }
    line = as_json("a.mp4", ValueError("is\nodd"), NAMES, 2)
    assert json.loads(line) == {"video": "a.mp4", "error": "is\nodd"}
    assert "\n" not in line


def test_spreadsheets_read_csv():
    lines = [
        csv_head(2),
        as_csv("=a.mp4", ROW, NAMES, 2),
        as_csv("b.mp4", ValueError("holds no video"), NAMES, 2),
    ]
    assert list(csv.reader(lines)) == [
        ["video", "error", "class_1", "probability_1", "class_2", "probability_2"],
        ["'=a.mp4", "", "'=rise", "0.5", 'sl"ide,', "0.25"],
        ["b.mp4", "holds no video", "", "", "", ""],
    ]
