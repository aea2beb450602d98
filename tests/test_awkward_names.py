"""A whole run on classes whose names mean something to matplotlib and to shells."""

import csv
import dataclasses
import json
import shutil

import pytest

from configs.schema import Data
from data.decoding.write import write_video
from storage.run_folder import RunFolder
from tests.conftest import tiny_frames
from tests.whole_runs import run

pytestmark = pytest.mark.usefixtures("keep_signals")


def test_a_run_on_dollars_and_chinese_trains_and_reports(shared, tiny, tmp_path):
    root = tmp_path / "videos"
    shutil.copytree(shared / "cases/lists/dollars", root)
    for file in ("trainlist01.txt", "testlist01.txt"):
        lines = (root / file).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            path = root / line.removesuffix(" 1").removesuffix(" 2")
            path.parent.mkdir(exist_ok=True)
            write_video(path, tiny_frames(number, number % 2), codec="mp4v")
    config = dataclasses.replace(
        tiny,
        epochs=1,
        data=Data(root=str(root), batch_size=4, frames=8, frame_interval=1, size=32),
        model=dataclasses.replace(tiny.model, depths=(1,), num_heads=(1,)),
        optimizer=dataclasses.replace(tiny.optimizer, warmup_epochs=0.5),
    )

    result = run(config, tmp_path / "run")

    assert list(result["class_accuracies"]) == ["pay_$5_to_$10^", "数钱"]
    folder = tmp_path / "run"
    assert RunFolder(folder).finished == result
    text = (folder / "evaluation.json").read_text(encoding="utf-8")
    assert json.loads(text) == result
    with open(folder / "predictions.csv", encoding="utf-8", newline="") as file:
        videos = [row["video"] for row in csv.DictReader(file)]
    assert videos == (root / "testlist01.txt").read_text(encoding="utf-8").split()
    assert (folder / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")
