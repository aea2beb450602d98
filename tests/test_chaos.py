"""Runs that are killed, filled up, damaged and doubled end as if nothing had happened.

Tiny, but with every part that could go wrong: shifted windows, bias tables, drop path,
dropout, two replicas, real AVI files, validation after each epoch. What is compared is
the journal and the history, byte for byte, and every variable of the last checkpoint.

`make chaos` kills 200 times in place of 20 and keeps the log.
"""

import contextlib
import functools
import itertools
import json
import os
import platform
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

KILLS = int(os.environ.get("CHAOS_KILLS", "20"))  # In each variant one half.
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
# Updates in parts, a loss scale that falls three times, updates that are skipped.
VARIANTS = {
    "float32": {},
    "float16": {
        "flags": ("--runtime.precision=mixed_float16", "--runtime.micro_batches=2"),
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

    def wait(self, seconds=180):
        """Waits for the end; returns the exit code, or minus the signal."""
        end = time.monotonic() + seconds
        while self.alive:
            assert time.monotonic() < end, self.output()[-3000:]
            time.sleep(0.01)
        return int(self.code.read_text())

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
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
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__}
    note(kills_wanted=KILLS, cores=len(os.sched_getaffinity(0)), **versions)
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
def reference(start, tmp_path_factory):
    """Variant -> the folder of a run of it that nothing happened to."""

    @functools.cache
    def reference(variant):
        workdir = tmp_path_factory.mktemp(variant)
        run = start(workdir, **VARIANTS[variant])
        assert run.wait() == 0, run.output()[-3000:]
        assert rows(workdir) == STEPS
        return workdir

    return reference


@pytest.fixture(scope="module")
def undisturbed(reference):
    """The folder of a run that nothing happened to."""
    return reference("float32")


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


@pytest.mark.parametrize("variant", VARIANTS)
def test_killed_at_random_instants(start, reference, tmp_path, variant):
    """While importing, compiling, stepping, saving, validating, evaluating.

    By SIGKILL as often as asked for, and now and then by SIGTERM besides.
    """
    undisturbed = reference(variant)
    generator = random.Random(variant)
    kills, finished = 0, 0
    while kills < KILLS // len(VARIANTS) or not finished:
        workdir = tmp_path / f"run-{finished}"
        before = rows(workdir)
        run = start(workdir, **VARIANTS[variant])
        if generator.random() < 0.2:
            time.sleep(generator.uniform(0, 6))
        else:
            while run.alive and rows(workdir) <= before:
                time.sleep(0.005)
            time.sleep(generator.uniform(0, 0.6))
        number = generator.choices([signal.SIGKILL, signal.SIGTERM], [6, 1])[0]
        if run.alive:
            run.signal(number)
        code = run.wait()
        if code == 0:
            assert_undisturbed(workdir, undisturbed)
            finished += 1
            continue
        # SIGTERM has its usual effect until train.py has begun.
        assert code in (-number, 75 if number == signal.SIGTERM else -number)
        kills += number == signal.SIGKILL
        now, saved = rows(workdir), last_saved(workdir)
        note(variant=variant, run=finished, kill=kills, end=code, rows=now, saved=saved)
        if code == 75:  # Before the rows after a checkpoint were cut off, or after.
            assert now in (before, saved or 0), "a finished step was lost"
        if saved is not None:
            assert now - saved <= SAVE_EVERY
    note(variant=variant, kills=kills, finished=finished, divergences=0)


def note(**entry):
    """Adds a line to the log that `make chaos` keeps."""
    if LOG:
        with open(LOG, "a") as file:
            file.write(json.dumps(entry) + "\n")


AT = (
    ("save begins", 3),
    ("variables written", 3),
    ("file synced", 7),
    ("sealed", 3),
    ("renamed", 2),
    ("old one renamed", 2),
    ("save ended", 3),
    ("rewound", 2),
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
        assert code in (-signal.SIGKILL, 0), (point, code)
        note(point=point, end=code, rows=rows(workdir), saved=last_saved(workdir))
    assert start(workdir, [["restoring", 1, "kill"]]).wait() in (-signal.SIGKILL, 0)
    finish(start, workdir)
    assert_undisturbed(workdir, undisturbed)


@pytest.mark.parametrize(
    ("point", "count", "action", "code"),
    [
        ("stream opened", 1, "terminate", 75),  # The first step compiles after this.
        ("step done", 5, "terminate", 75),
        ("variables written", 3, "terminate", 75),
        ("validation or evaluation", 2, "interrupt", 130),
        ("validation or evaluation", 13, "terminate", 75),
    ],
    ids=["compiling", "training", "saving", "validating", "evaluating"],
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


def test_a_signal_is_obeyed_while_nothing_else_moves(start, undisturbed, tmp_path):
    """The main thread waits in TensorFlow for a clip that never comes."""
    workdir = tmp_path / "run"
    run = start(workdir, [["clip read", 30, "hang"]])
    while not (rows(workdir) and rows(workdir) > last_saved(workdir)):
        time.sleep(0.01)
    time.sleep(2)  # Until what is decoded already has been trained on.
    stood_still, saved = rows(workdir), last_saved(workdir)
    assert stood_still > saved, "choose another clip"
    run.signal(signal.SIGTERM)
    while "again to stop at once" not in run.output():
        time.sleep(0.01)
    assert run.alive and rows(workdir) == stood_still
    run.signal(signal.SIGTERM)
    assert run.wait(5) == 75
    assert f"the same command goes on after step {saved}" in run.output()
    finish(start, workdir)
    assert_undisturbed(workdir, undisturbed)


def test_a_hang_ends_in_stacks_and_an_exit(start, undisturbed, tmp_path):
    workdir = tmp_path / "run"
    patience = ["--checkpoints.stall_minutes=0.5"]
    run = start(workdir, [["clip read", 30, "hang"]], flags=patience)
    assert run.wait() == 1
    assert "Timeout (0:00:30)!" in run.output()
    assert "_read_one" in run.output() and "in train\n" in run.output()
    finish(start, workdir)
    assert_undisturbed(workdir, undisturbed)


@pytest.fixture(params=["a small disk", "a file-size limit"])
def disk(request, tmp_path):
    """(folder on a disk that can be full, the action that fills it, its opposite)."""
    if request.param == "a file-size limit":
        yield tmp_path, "limit files", "unlimit files"
        return
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk needs the right to mount one")
    yield tmp_path, "fill disk", "free disk"
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_a_full_disk_delays_saving_only(start, undisturbed, disk):
    """Epochs end, with rows of the journal and the history that wait for room."""
    folder, fill, free = disk
    workdir = folder / "run"
    run = start(workdir, [["save begins", 4, fill], ["epoch written", 9, free]])
    assert run.wait() == 0, run.output()[-3000:]
    assert "Training goes on" in run.output()
    if fill == "fill disk":
        assert "journal.jsonl cannot be written" in run.output()
    assert_undisturbed(workdir, undisturbed)


def test_a_disk_that_stays_full_has_its_own_exit_code(start, undisturbed, disk):
    folder, fill, _ = disk
    workdir = folder / "run"
    run = start(workdir, [["save begins", 5, fill]])
    assert run.wait() == 6, run.output()[-3000:]
    if fill == "fill disk":
        again = start(workdir)
        assert again.wait() == 6, again.output()[-3000:]
        (folder / "filler").unlink()
    assert last_saved(workdir)
    assert all(p.name.startswith("step-") for p in (workdir / "checkpoints").iterdir())
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
    """1, 2, 4, then 1 replica: the same examples, masks and learning rates."""
    workdir = tmp_path / "run"
    kill = [["save ended", 4, "kill"]]
    for replicas, faults in ((1, kill), (2, kill), (4, kill), (1, [])):
        run = start(workdir, faults, flags=[f"--runtime.replicas={replicas}"])
        assert run.wait() == (-signal.SIGKILL if faults else 0), run.output()[-3000:]
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
