"""Whole runs in this process, and how two of them are compared."""

import dataclasses
import json

import numpy as np
import tensorflow as tf

import train
from callbacks import Preemption
from storage.run_folder import RunFolder
from strategy.workers import Workers


class Killed(BaseException):
    """Stands for a SIGKILL: nothing of the run may handle it."""


class KillAfter(Preemption):
    """Ends the run after a step without saving it."""

    def __init__(self, killed):
        super().__init__()
        self.killed = killed

    def after_step(self, step, logs):
        if step == self.killed:
            raise Killed


def run(config, workdir, preemption=None):
    """Trains in this process; returns what evaluation.json holds."""
    with RunFolder(workdir).locked() as folder:
        config = train.resolve(config, folder, Workers())
        return train.train(config, folder, preemption or Preemption(), Workers())


def rows(workdir, name="journal"):
    """The rows of one of a run's files."""
    return [json.loads(line) for line in (workdir / f"{name}.jsonl").open()]


def newest_variables(workdir):
    """Name -> value of every variable in a run's last checkpoint."""
    folder = max((workdir / "checkpoints").glob("step-????????"))
    reader = tf.train.load_checkpoint(str(folder / "variables"))
    names = reader.get_variable_to_shape_map()
    return {name: np.asarray(reader.get_tensor(name)) for name in names}


def assert_same_run(workdir, other):
    """Journals byte for byte, histories, and every variable of the last checkpoint."""
    for name in ("journal", "history"):
        path = f"{name}.jsonl"
        assert (workdir / path).read_bytes() == (other / path).read_bytes()
    mine, theirs = newest_variables(workdir), newest_variables(other)
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


def replace_runtime(config, **changes):
    """A config with other fields of its runtime section."""
    runtime = dataclasses.replace(config.runtime, **changes)
    return dataclasses.replace(config, runtime=runtime)
