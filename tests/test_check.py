"""A machine that is right passes; each fault is reported and gives exit code 8."""

import dataclasses
import itertools
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time
import types

import numpy as np
import pytest
import tensorflow as tf

import check
from configs import demo
from configs.command.errors import MachineError, WorkerError
from configs.command.findings import note, ok, wrong
from configs.schema import Model, Runtime
from data.clips import Clips
from launch.workers import free_ports
from strategy import (
    Workers,
    check_folder,
    create_strategy,
    report_findings,
    tried,
)
from strategy.proof import reduction
from strategy.proof.small_run import SmallRun
from tests.docs.pages import blocks
from tests.strategy.local import environ, everyone
from tests.strategy.proof.faults import broken_strategy, halved, not_a_number

STEPS = 6
SHORTENED = ("--steps=6", "--model.depths=1,1", "--data.size=16", "--data.frames=4")
LINE = re.compile(r"(ok   |WRONG|note ) \S.*")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Reductions that take no time."""
    monkeypatch.setattr(reduction, "VALUES_BYTES", 2**12)
    monkeypatch.setattr(reduction, "TIMED_BYTES", 2**12)


def experiment(**options):
    """The demo with a model of one block."""
    tiny = Model(
        embed_dim=8,
        depths=(1,),
        num_heads=(1,),
        window_size=(2, 4, 4),
        patch_size=(2, 4, 4),
        dropout=0.5,
    )
    small = dataclasses.replace(demo.config().data, frames=4, size=16, **options)
    return dataclasses.replace(demo.config(), data=small, model=tiny, runtime=Runtime())


def checks(strategy, root="", **options):
    replicas = strategy.num_replicas_in_sync
    config = check.comparable(experiment(root=root, **options), replicas)
    return check.Check(config, strategy, STEPS)


def reported(findings, capsys, workers=None):
    """The exit code and the lines of a report."""
    try:
        report_findings(workers or Workers(), findings)
        code = 0
    except MachineError as error:
        code = error.exit_code
    return code, capsys.readouterr().out.splitlines()


def test_a_machine_that_is_right_passes_and_prints_what_the_page_shows(repository):
    """The same command, with fewer steps of a smaller model."""
    page = repository / "docs" / "check.md"
    command, shown = next(
        (before.commands[-1], block.text.splitlines())
        for before, block in itertools.pairwise(blocks(page))
        if block.follows
    )
    done = subprocess.run(
        [sys.executable, *shlex.split(command)[1:], *SHORTENED],
        cwd=repository,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *lines, last = done.stdout.splitlines()
    assert all(LINE.fullmatch(line) for line in lines)
    assert last.startswith("Nothing is wrong: ")
    assert list(map(shape_of, shown)) == list(map(shape_of, [*lines, last]))


def shape_of(line):
    """A line of output without its numbers, which differ from run to run."""
    return re.sub(r"\d[\d.e-]*\b", "#", line)


def test_nan_on_several_replicas_is_told_from_a_good_one(capsys):
    """As reported of several GPUs: one alone computes what it should."""
    strategy = broken_strategy(not_a_number)
    code, lines = reported(checks(strategy).float32(), capsys)
    assert code == 8
    verdicts = [line[:5].strip() for line in lines]
    assert verdicts == ["WRONG", "ok", "WRONG", "ok"]
    assert "float32 on 2 replicas: the loss or the gradient norm is not" in lines[0]


def test_a_broken_reduction_is_wrong(capsys):
    strategy = broken_strategy(halved)
    found = checks(strategy).reduction(tf.float32)
    code, lines = reported(found, capsys)
    assert code == 8 and lines[0].startswith("WRONG all-reduce, float32: ")


def test_a_slow_input_is_wrong_for_a_planned_run_only(tiny_root, monkeypatch):
    read = Clips._read_train

    def slow(*arguments):
        time.sleep(0.05)
        return read(*arguments)

    monkeypatch.setattr(Clips, "_read_train", slow)
    checked = checks(create_strategy(Runtime(replicas=2)), root=str(tiny_root))
    fast = np.array([2.0, 1.0])
    checked.runs["float32"] = SmallRun("2 replicas", fast, fast, 1e-6)
    (found,) = checked.input()
    assert found.verdict == "note" and str(tiny_root) in found.text
    checked.is_planned = True
    (found,) = checked.input()
    assert found.is_wrong and "devices would wait" in found.text


def test_a_full_disk_is_wrong(tmp_path, monkeypatch, capsys):
    """Only the disk is looked at here."""
    checked = checks(create_strategy(Runtime(replicas=1)))
    monkeypatch.setattr(check, "tried", lambda *_: [])
    monkeypatch.setattr(checked, "parameters", 10**15)
    code, lines = reported(checked.findings(tmp_path), capsys)
    assert code == 8
    assert any(x.startswith(f"WRONG disk of {tmp_path}: ") for x in lines)


def test_data_that_cannot_be_read_is_wrong_and_other_checks_follow(tmp_path, capsys):
    checked = checks(create_strategy(Runtime(replicas=1)), root=str(tmp_path / "no"))
    checked.runs["float32"] = SmallRun("1 replica", np.ones(2), np.ones(2), 1.0)
    code, lines = reported(tried(Workers(), "input", checked.input()), capsys)
    assert code == 8 and "WRONG input: DataError: " in lines[0]


def failing(error):
    """The findings of a check of which the second cannot be had."""
    yield ok("a")
    raise error


FULL = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating.")


def test_a_check_that_fails_on_one_of_several_workers_is_the_last(capsys):
    """The other may be within a collective operation that the one has left."""

    def work(workers):
        if workers.index == 0:
            return workers.gather("what follows", None)
        report_findings(workers, tried(workers, "training", failing(FULL)))

    errors = everyone(2, work)
    assert [error.exit_code for error in errors] == [8, 8]
    assert "training has failed on worker 1 of 2" in str(errors[0])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("WRONG training: ResourceExhaustedError: OOM when alloc")


def test_a_lost_worker_is_not_a_finding(capsys):
    lost = tf.errors.AbortedError(None, None, "Collective ops is aborted by: x")

    def work(workers):
        if workers.index == 1:
            raise MachineError("training has failed.")
        report_findings(workers, tried(workers, "training", failing(lost)))

    errors = everyone(2, work)
    assert [error.exit_code for error in errors] == [8, 8]
    assert isinstance(errors[0], WorkerError)
    assert capsys.readouterr().out.splitlines() == ["ok    a"]


def test_all_workers_train_in_bfloat16_or_none(monkeypatch):
    own = threading.local()
    monkeypatch.setattr(check, "without_bfloat16", lambda: own.gpus)

    def work(workers):
        own.gpus = ["V100"] * workers.index
        checked = types.SimpleNamespace(workers=workers)
        return [f.text for f in check.Check.mixed(checked, "mixed_bfloat16")]

    one, other = everyone(2, work)
    assert one == other and "V100 has no units for it" in one[0]


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_that_not_all_workers_see_is_wrong(tmp_path, exists):
    for name in "ab":
        (tmp_path / name / ("run" if exists else "")).mkdir(parents=True)

    def look(paths):
        return everyone(2, lambda w: list(check_folder(w, paths[w.index])))

    one, other = look([tmp_path / "a/run"] * 2)
    assert [finding.verdict for finding in one] == ["ok"] and other == []
    one, other = look([tmp_path / "a/run", tmp_path / "b/run"])
    assert one == [] and [finding.verdict for finding in other] == ["WRONG"]
    assert not list(tmp_path.rglob(".check.*"))


def test_a_folder_that_cannot_be_written_is_not_looked_for(monkeypatch, tmp_path):
    def refuse(*_, **options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    assert everyone(2, lambda w: list(check_folder(w, tmp_path))) == [[], []]


# Worker 1 cannot train; whatever it is, TensorFlow raises it there alone.
BROKEN = """
import runpy, sys, tensorflow as tf, strategy
def small_run(*arguments, **options):
    raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating.")
strategy.small_run = small_run
runpy.run_path("check.py", run_name="__main__")
"""


def processes(repository, folder, *start):
    """(exit code, lines) of check.py on two workers, the second started in a way."""
    environs = [environ(ports, index) for ports in [free_ports(2)] for index in (0, 1)]
    flags = ["--runtime.replicas=1", f"--workdir={folder}", *SHORTENED]
    running = [
        subprocess.Popen(
            [sys.executable, *how, *flags],
            cwd=repository,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for how, own in zip((["check.py"], start), environs, strict=True)
    ]
    outputs = [process.communicate() for process in running]
    ended = [process.returncode for process in running]
    return ended, [out.splitlines() for out, _ in outputs], [log for _, log in outputs]


def test_two_workers_that_are_right_pass(repository, tmp_path):
    codes, lines, logs = processes(repository, tmp_path / "run", "check.py")
    assert codes == [0, 0], logs
    assert lines[0][-1].startswith("Nothing is wrong: ") and lines[1] == []
    assert f"ok    folder: all 2 workers see {tmp_path / 'run'}." in lines[0]
    assert any("float32 on 2 replicas against 1 replica" in line for line in lines[0])
    assert list(tmp_path.iterdir()) == []


def test_where_one_of_two_workers_fails_both_end_and_say_so(repository, tmp_path):
    """The other is within the first step by then, which never ends."""
    codes, lines, logs = processes(repository, tmp_path, "-c", BROKEN)
    assert codes == [8, 8], logs
    (line,) = lines[1]
    assert line.startswith("WRONG training: ResourceExhaustedError: OOM when alloc")
    assert "has failed on worker 1 of 2" in logs[0]


def test_one_replica_says_what_it_cannot_compare(monkeypatch):
    checked = checks(create_strategy(Runtime(replicas=1)))
    run = SmallRun("1 replica", np.array([2.0, 2.0, 1.0, 1.0]), np.ones(4), 1.0)
    model = types.SimpleNamespace(count_params=lambda: 1)
    monkeypatch.setattr(checked, "trained", lambda *_, **options: (run, model))
    monkeypatch.setattr(check, "check_compiled", lambda *_: ok("XLA"))
    found = list(checked.float32())
    assert [finding.verdict for finding in found] == ["ok", "note", "ok"]
    assert "--runtime.replicas=2" in found[1].text


def test_notes_do_not_count_and_one_wrong_line_does(capsys):
    assert reported([ok("a"), note("b")], capsys)[0] == 0
    assert reported([ok("a"), wrong("b:", "do c.")], capsys) == (
        8,
        ["ok    a", "WRONG b: do c."],
    )


def test_workers_that_are_not_the_chief_print_only_what_is_wrong(capsys):
    workers = Workers()
    workers.is_chief = False
    code, lines = reported([ok("a"), wrong("b", "c")], capsys, workers)
    assert code == 8 and len(lines) == 1 and lines[0].startswith("WRONG b c (on ")


def test_what_is_wrong_on_another_worker_counts(capsys, monkeypatch):
    workers = Workers()
    monkeypatch.setattr(workers, "gather", lambda name, value: [value, 2])
    assert reported([ok("a")], capsys, workers) == (8, ["ok    a"])


@pytest.mark.parametrize("replicas", [1, 3, 8])
def test_any_number_of_replicas_shares_the_batch_and_draws_no_mask(replicas):
    config = check.comparable(experiment(), replicas)
    config.check_replicas(replicas)
    assert config.data.batch_size >= experiment().data.batch_size
    assert (config.model.dropout, config.model.drop_path_rate) == (0, 0)
