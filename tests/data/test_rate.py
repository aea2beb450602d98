"""Decoding is measured on real reads, and none comes after its files are gone."""

import dataclasses
import time
from pathlib import Path

import pytest
import tensorflow as tf

from configs import demo
from data import decoding_rate, rate
from data.clips import Clips

ONE = tf.distribute.OneDeviceStrategy("CPU:0")


@pytest.fixture
def reads(monkeypatch):
    """Whether the files were still there after each slow read."""
    read, there = Clips._read_train, []

    def slow(self, positions, indices):
        time.sleep(0.03)
        there.append(Path(self.train_file(0)[0]).exists())
        return read(self, positions, indices)

    monkeypatch.setattr(Clips, "_read_train", slow)
    monkeypatch.setattr(rate, "TIMED", 4)
    return there


@pytest.mark.parametrize("made_up", [True, False])
def test_the_rate_is_that_of_the_reads(reads, tiny_root, made_up):
    root = "" if made_up else str(tiny_root)
    data = dataclasses.replace(demo.config().data, root=root, frames=4, threads=1)
    batches = []
    found = decoding_rate(
        data,
        demo.config().views,
        seed=0,
        strategy=ONE,
        after_batch=lambda: batches.append(None),
    )
    assert len(batches) >= rate.WARM_UP + rate.TIMED
    ended = len(reads)
    time.sleep(0.2)
    assert len(reads) == ended >= rate.WARM_UP + rate.TIMED and all(reads)
    assert found > 0
