"""What `make demo` shows: motion is learnt, and only motion."""

import dataclasses

import pytest

import evaluate
import train
from callbacks import Preemption
from configs import demo
from data.synthetic import write_dataset
from model import open_trained
from storage.run_folder import RunFolder
from strategy.workers import Workers


@pytest.mark.usefixtures("keep_signals")
def test_the_demo_learns_motion_and_nothing_else(tmp_path):
    write_dataset(tmp_path / "videos")
    config = demo.config()
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, root=str(tmp_path / "videos"))
    )
    with RunFolder(tmp_path / "run").locked() as folder:
        config = train.resolve(config, folder, Workers())
        ordered = train.train(config, folder, Preemption(), Workers())
    assert len(ordered["class_accuracies"]) >= 6
    assert ordered["top1"] >= 0.9

    def shuffle(config):
        data = dataclasses.replace(config.data, shuffle_frames=True)
        return dataclasses.replace(config, data=data)

    trained = open_trained(folder.path, override=shuffle, prepare=evaluate.prepare)
    shuffled = evaluate.evaluate(trained, tmp_path / "shuffled")
    assert shuffled["top1"] < ordered["top1"] / 2
