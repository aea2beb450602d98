"""Runs that things happen to, and what they must not differ in.

Tiny, but with every part that could go wrong: shifted windows, bias tables, drop path,
dropout, two replicas, real AVI files, validation after each epoch. What is compared is
the journal, the history and the result, byte for byte, the curves and pictures that
TensorBoard shows, but for times, and every variable of the last checkpoint.
"""

import contextlib
import json
import os
import time
from pathlib import Path

import numpy as np

from tests.callbacks.events import shown
from tests.whole_runs import newest_variables

LOG = os.environ.get("CHAOS_LOG")
SAVE_EVERY = 3
STEPS = 39
FLAGS = (
    "--config=demo",
    "--epochs=12",
    "--seed=5",
    "--data.batch_size=4",
    "--data.frames=4",
    "--data.size=16",
    "--data.threads=1",
    "--model.embed_dim=8",
    "--model.depths=2",
    "--model.num_heads=2",
    "--model.window_size=1,2,2",
    "--model.drop_path_rate=0.3",
    "--model.dropout=0.5",
    "--runtime.deterministic=true",
    f"--checkpoints.save_every={SAVE_EVERY}",
    "--checkpoints.nonfinite_limit=5",
    "--views.clips=1",
)
# Updates in parts, a loss scale that falls three times, updates that are skipped.
VARIANTS = {
    "float32": {},
    "float16": {
        "flags": (
            "--runtime.precision=mixed_float16",
            "--runtime.accumulation_steps=2",
        ),
        "sabotage": "three NaN",
    },
}


class Run:
    """A child of the server, alive or ended."""

    def __init__(self, process, log):
        self.process = process
        self.log = log
        self.code = Path(f"{log}.code")

    @property
    def alive(self):
        return not self.code.exists()

    def wait(self, seconds=900):
        """Waits for the end; returns the exit code, or minus the signal."""
        end = time.monotonic() + seconds
        while self.alive:
            assert time.monotonic() < end, self.output()[-3000:]
            time.sleep(0.01)
        return int(self.code.read_text())

    def wait_until(self, condition, seconds=900):
        """Waits for a condition, which must come true before the run ends."""
        end = time.monotonic() + seconds
        while not condition():
            assert self.alive and time.monotonic() < end, self.output()[-3000:]
            time.sleep(0.01)

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, number)

    def output(self):
        return Path(self.log).read_text()


def rows(workdir):
    """How many whole rows the journal has."""
    path = workdir / "journal.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for_random_instant(generator, workdir, before, runs):
    """Waits for some instant of the start, or just after the next row of the journal.

    Args:
        generator: a `random.Random`.
        workdir: the folder of the run.
        before: how many rows its journal had before it was started.
        runs: list of `Run`, its workers; the end of one ends the wait for a row.
    """
    if generator.random() < 0.2:
        time.sleep(generator.uniform(0, 6))
        return
    while rows(workdir) <= before and all(run.alive for run in runs):
        time.sleep(0.005)
    time.sleep(generator.uniform(0, 0.6))


def events(workdir):
    """What TensorBoard shows of curves and pictures, but for times, in one order."""
    folder = workdir / "tensorboard"
    found = [*shown(folder), *shown(folder / "validation"), *shown(folder, "images")]
    return sorted(repr(one) for one in found if not one[0].startswith("time/"))


def differences(workdir, other):
    """What two runs differ in: files, curves, variables of the last checkpoint."""
    found = [
        name
        for name in ("journal.jsonl", "history.jsonl", "evaluation.json")
        if (workdir / name).read_bytes() != (other / name).read_bytes()
    ]
    if events(workdir) != events(other):
        found.append("tensorboard")
    mine, theirs = newest_variables(workdir), newest_variables(other)
    assert mine.keys() == theirs.keys()
    return found + [k for k in mine if not np.array_equal(mine[k], theirs[k])]


def assert_undisturbed(workdir, undisturbed):
    assert differences(workdir, undisturbed) == []
    checkpoints = {path.name for path in (workdir / "checkpoints").iterdir()}
    assert all(name.startswith("step-") for name in checkpoints), "debris"


def finish(start, workdir):
    run = start(workdir)
    assert run.wait() == 0, run.output()[-3000:]
    return run


def last_saved(workdir):
    steps = [p.name[5:] for p in (workdir / "checkpoints").glob("step-????????")]
    return max(map(int, steps), default=None)


def note(**entry):
    """Adds a line to the log that `make chaos` keeps."""
    if LOG:
        with open(LOG, "a") as file:
            file.write(json.dumps(entry) + "\n")
