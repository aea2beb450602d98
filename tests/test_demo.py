"""What `make demo` shows: motion is learnt, and only motion."""

import dataclasses

import pytest

import evaluate
import train
from callbacks import Preemption, RunFolder
from configs import demo
from data.synthetic import write_dataset


@pytest.mark.usefixtures("keep_signals")
def test_the_demo_learns_motion_and_nothing_else(tmp_path):
    write_dataset(tmp_path / "videos")
    config = demo.config()
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, root=str(tmp_path / "videos"))
    )
    with RunFolder(tmp_path / "run").locked() as folder:
        ordered = train.train(config, folder, Preemption())
    assert len(ordered["class_accuracies"]) >= 6
    assert ordered["top1"] >= 0.9

    data = dataclasses.replace(config.data, shuffle_frames=True)
    shuffled = evaluate.evaluate(
        dataclasses.replace(config, data=data), folder, tmp_path / "shuffled"
    )
    assert shuffled["top1"] < ordered["top1"] / 2
