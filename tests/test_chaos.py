"""Runs that are killed, filled up, damaged and doubled end as if nothing had happened.

Tiny, but with every part that could go wrong: shifted windows, bias tables, drop path,
dropout, two replicas, real AVI files, validation after each epoch. What is compared is
the journal and the history, byte for byte, and every variable of the last checkpoint.

`make chaos` kills 200 times in place of 20 and keeps the log.
"""

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

KILLS = int(os.environ.get("CHAOS_KILLS", "20"))
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
    "--model.heads=2",
    "--model.window=1,2,2",
    "--model.drop_path=0.3",
    "--model.dropout=0.5",
    "--runtime.deterministic=true",
    f"--checkpoints.save_every={SAVE_EVERY}",
    "--checkpoints.nonfinite_limit=5",
    "--views.clips=1",
)


class Run:
    """A child of the server, alive or ended."""

    def __init__(self, process, log):
        self.process = process
        self.log = log

    @property
    def alive(self):
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        return True

    def wait(self, seconds=180):
        """Waits for the end; returns the exit code, None after a signal."""
        end = time.monotonic() + seconds
        while self.alive:
            assert time.monotonic() < end, self.output()[-3000:]
            time.sleep(0.01)
        code = Path(f"{self.log}.code")
        return int(code.read_text()) if code.exists() else None

    def signal(self, number):
        os.kill(self.process, number)

    def output(self):
        return Path(self.log).read_text()


@pytest.fixture(scope="module")
def start(repository, tiny_root, tmp_path_factory):
    """Starts runs; `start(workdir, faults=[…], sabotage=…, flags=[…])`."""
    server = subprocess.Popen(
        [sys.executable, "tests/chaos_server.py"],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    logs = tmp_path_factory.mktemp("logs")
    numbers = itertools.count()

    def start(workdir, faults=(), sabotage=None, flags=()):
        log = str(logs / f"{next(numbers)}.log")
        arguments = [*FLAGS, f"--data.root={tiny_root}", f"--workdir={workdir}", *flags]
        request = dict(arguments=arguments, log=log, faults=faults, sabotage=sabotage)
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        return Run(int(server.stdout.readline()), log)

    yield start
    server.stdin.close()
    server.wait(30)


@pytest.fixture(scope="module")
def undisturbed(start, tmp_path_factory):
    """The folder of a run that nothing happened to."""
    workdir = tmp_path_factory.mktemp("undisturbed")
    run = start(workdir)
    assert run.wait() == 0, run.output()[-3000:]
    assert rows(workdir) == STEPS
    return workdir


def rows(workdir):
    """How many whole rows the journal has."""
    path = workdir / "journal.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def variables(workdir):
    folder = max((workdir / "checkpoints").glob("step-????????"))
    reader = tf.train.load_checkpoint(str(folder / "variables"))
    names = reader.get_variable_to_shape_map()
    return {name: np.asarray(reader.get_tensor(name)) for name in names}


def differences(workdir, other):
    """What two runs differ in: files of rows, then variables of the last checkpoint."""
    found = [
        name
        for name in ("journal.jsonl", "history.jsonl", "evaluation.json")
        if (workdir / name).read_bytes() != (other / name).read_bytes()
    ]
    mine, theirs = variables(workdir), variables(other)
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


def test_killed_at_random_instants(start, undisturbed, tmp_path):
    """SIGKILL while importing, compiling, stepping, saving, validating, evaluating."""
    generator = random.Random(0)
    kills, finished = 0, 0
    while kills < KILLS or not finished:
        workdir = tmp_path / f"run-{finished}"
        before = rows(workdir)
        run = start(workdir)
        if generator.random() < 0.2:
            time.sleep(generator.uniform(0, 6))
        else:
            while run.alive and rows(workdir) <= before:
                time.sleep(0.005)
            time.sleep(generator.uniform(0, 0.6))
        if run.alive:
            run.signal(signal.SIGKILL)
        if run.wait() == 0:
            assert_undisturbed(workdir, undisturbed)
            finished += 1
            continue
        kills += 1
        saved = last_saved(workdir)
        note({"kill": kills, "run": finished, "rows": rows(workdir), "saved": saved})
        if saved is not None:
            assert rows(workdir) - saved <= SAVE_EVERY
    note({"kills": kills, "runs finished": finished, "divergences": 0})


def note(entry):
    """Adds a line to the log that `make chaos` keeps."""
    if LOG:
        with open(LOG, "a") as file:
            file.write(json.dumps(entry) + "\n")


AT = (
    ("save begins", 3),
    ("variables written", 3),
    ("first file synced", 7),
    ("sealed", 3),
    ("renamed", 6),
    ("old one renamed", 2),
    ("save ended", 3),
    ("epoch written", 2),
    ("validation or evaluation", 3),
    ("reported", 1),
    ("finished", 1),
)


def test_killed_at_each_point_of_a_save_and_of_the_end(start, undisturbed, tmp_path):
    """One run, killed at each of the points in turn, then while restoring."""
    workdir = tmp_path / "run"
    for point, count in AT:
        faults = [[point, count, "kill"]]
        code = start(workdir, faults).wait()
        assert code in (None, 0), (point, code)
        note({"killed at": point, "rows": rows(workdir), "saved": last_saved(workdir)})
    assert start(workdir, [["restoring", 1, "kill"]]).wait() in (None, 0)
    finish(start, workdir)
    assert_undisturbed(workdir, undisturbed)


@pytest.mark.parametrize(
    ("point", "count", "action", "code"),
    [
        ("stream opened", 1, "terminate", 75),  # The first step compiles after this.
        ("variables written", 3, "terminate", 75),
        ("validation or evaluation", 2, "interrupt", 130),
        ("validation or evaluation", 13, "terminate", 75),
    ],
    ids=["compiling", "saving", "validating", "evaluating"],
)
def test_signalled_in_every_phase(
    start, undisturbed, tmp_path, point, count, action, code
):
    workdir = tmp_path / "run"
    run = start(workdir, [[point, count, action]])
    assert run.wait() == code, run.output()[-3000:]
    assert last_saved(workdir) == rows(workdir), "a finished step was lost"
    finish(start, workdir)
    assert_undisturbed(workdir, undisturbed)


def test_a_full_disk_delays_saving_only(start, undisturbed, tmp_path):
    workdir = tmp_path / "run"
    faults = [["save begins", 4, "fill disk"], ["epoch written", 3, "free disk"]]
    run = start(workdir, faults)
    assert run.wait() == 0, run.output()[-3000:]
    assert "Training goes on" in run.output()
    assert_undisturbed(workdir, undisturbed)


def test_a_disk_that_stays_full_has_its_own_exit_code(start, undisturbed, tmp_path):
    workdir = tmp_path / "run"
    run = start(workdir, [["save begins", 5, "fill disk"]])
    assert run.wait() == 6, run.output()[-3000:]
    saved = last_saved(workdir)
    assert saved and all(
        p.name.startswith("step-") for p in (workdir / "checkpoints").iterdir()
    )
    finish(start, workdir)
    assert_undisturbed(workdir, undisturbed)


def test_two_starters_at_once(start, undisturbed, tmp_path):
    workdir = tmp_path / "run"
    runs = [start(workdir) for _ in range(2)]
    assert sorted(run.wait() for run in runs) == [0, 7]
    assert_undisturbed(workdir, undisturbed)


def test_damaged_checkpoints_are_passed_over_and_a_run_without_any_stops(
    start, undisturbed, tmp_path
):
    workdir = tmp_path / "run"
    start(workdir, [["save ended", 5, "kill"]]).wait()
    newest = max((workdir / "checkpoints").glob("step-*"))
    with open(newest / "variables.data-00000-of-00001", "r+b") as file:
        file.truncate(100)
    copy = tmp_path / "copy"
    shutil.copytree(workdir, copy)
    run = finish(start, workdir)
    assert f"{newest.name} is damaged (variables.data-00000-of-00001 has 100 of" in (
        run.output()
    )
    shutil.rmtree(workdir / "checkpoints" / f"{newest.name}.damaged")
    assert_undisturbed(workdir, undisturbed)

    for folder in (copy / "checkpoints").iterdir():
        (folder / "manifest.json").unlink()
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*.jsonl")}
    run = start(copy)
    assert run.wait() == 4, run.output()[-3000:]
    assert "begin again in another --workdir" in run.output()
    assert before == {path: path.stat().st_mtime_ns for path in copy.rglob("*.jsonl")}


def test_nan_on_one_replica_skips_updates_or_ends_the_run(start, tmp_path):
    run = start(tmp_path / "three", sabotage="three NaN")
    assert run.wait() == 0, run.output()[-3000:]
    losses = [
        json.loads(line)["loss"]
        for line in (tmp_path / "three" / "journal.jsonl").open()
    ]
    assert [i for i, loss in enumerate(losses) if not np.isfinite(loss)] == [5, 6, 7]
    trained = variables(tmp_path / "three").values()
    assert all(np.isfinite(v).all() for v in trained if v.dtype.kind == "f")

    run = start(tmp_path / "ever", sabotage="NaN for ever")
    assert run.wait() == 5, run.output()[-3000:]
    assert "The last good checkpoint is" in run.output()
    assert last_saved(tmp_path / "ever") == 9


@pytest.mark.parametrize(
    "sabotage", ["stock dropout", "stream not moved on", "iterations not restored"]
)
def test_the_comparison_would_notice(start, tmp_path, sabotage):
    """Negative controls: with a fault planted, interrupting must make a difference."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert start(whole, sabotage=sabotage).wait() == 0
    start(parts, [["save ended", 4, "kill"]], sabotage).wait()
    assert start(parts, sabotage=sabotage).wait() == 0
    assert "journal.jsonl" in differences(parts, whole)


def test_other_replica_counts_take_over(start, undisturbed, tmp_path):
    """1, then 4, then 2 replicas: the same examples, masks and learning rates."""
    workdir = tmp_path / "run"
    for replicas in (1, 4):
        start(
            workdir,
            [["save ended", 4, "kill"]],
            flags=[f"--runtime.replicas={replicas}"],
        ).wait()
    finish(start, workdir)
    ours, theirs = (
        [json.loads(line) for line in (folder / "journal.jsonl").open()]
        for folder in (workdir, undisturbed)
    )
    for name in ("step", "epoch", "examples", "learning_rate"):
        assert [row[name] for row in ours] == [row[name] for row in theirs]
    np.testing.assert_allclose(
        [row["loss"] for row in ours[:26]],
        [row["loss"] for row in theirs[:26]],
        rtol=1e-4,
    )
