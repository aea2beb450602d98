import csv
import json

import numpy as np

from model.prediction.lines import Prediction, predictions

NAMES = ("Fall", "=rise", 'sl"ide,', "ä")
ROW = np.array([0.125, 0.5, 0.25, 0.125])
BAD = ValueError("is\nodd")


def test_people_read_the_likeliest_first():
    assert Prediction("a.mp4", ROW).text(NAMES, 3) == [
        "a.mp4",
        "   0.500  =rise",
        '   0.250  sl"ide,',
        "   0.125  Fall",  # Of two that are as likely, in the order of the labels.
    ]
    assert Prediction("a.mp4", error=BAD).text(NAMES, 3) == []


def test_programs_read_json():
    [line] = Prediction("odd\udcff.mp4", ROW).json(NAMES, 2)
    assert json.loads(line) == {
        "video": "odd\udcff.mp4",
        "predictions": [
            {"class": "=rise", "label": 1, "probability": 0.5},
            {"class": 'sl"ide,', "label": 2, "probability": 0.25},
        ],
    }
    [line] = Prediction("a.mp4", error=BAD).json(NAMES, 2)
    assert json.loads(line) == {"video": "a.mp4", "error": "is\nodd"}
    assert "\n" not in line


def test_spreadsheets_read_csv():
    bad = Prediction("b.mp4", error=ValueError("holds no video"))
    lines = [
        Prediction.csv_head(2),
        *Prediction("=a.mp4", ROW).csv(NAMES, 2),
        *bad.csv(NAMES, 2),
    ]
    assert list(csv.reader(lines)) == [
        ["video", "error", "class_1", "probability_1", "class_2", "probability_2"],
        ["'=a.mp4", "", "'=rise", "0.5", 'sl"ide,', "0.25"],
        ["b.mp4", "holds no video", "", "", "", ""],
    ]


def test_what_a_model_says_becomes_predictions():
    good, bad = predictions([("a", ROW), ("b", BAD)])
    assert (good.video, good.error) == ("a", None) and good.probabilities is ROW
    assert (bad.video, bad.error, bad.probabilities) == ("b", BAD, None)
