"""Several workers: the same run as one of one, and what ends one ends all.

`make chaos` runs more of them.
"""

import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from data.scan import SCAN_FILE
from tests.chaos.clusters import EPOCHS, Cluster
from tests.chaos.runs import (
    assert_undisturbed,
    note,
    rows,
    wait_for_random_instant,
)
from tests.whole_runs import rows as journal

thorough = pytest.mark.skipif(
    "CHAOS_KILLS" not in os.environ, reason="make chaos runs this"
)


@pytest.fixture(scope="module")
def cluster(start, tmp_path_factory):
    """The folder of a run of two workers that nothing happened to."""
    workdir = tmp_path_factory.mktemp("cluster")
    run = Cluster(start, workdir, 2)
    assert run.wait() == [0, 0], run.outputs()
    return workdir


@pytest.fixture(scope="module")
def alone(start, tmp_path_factory):
    """The folder of the same run, of one worker with two replicas."""
    workdir = tmp_path_factory.mktemp("alone")
    run = start(workdir, flags=[EPOCHS])
    assert run.wait() == 0, run.output()[-3000:]
    return workdir


def assert_same_but_for_rounding(workdir, other):
    """Examples and rates are the same, losses to the last digits or so."""
    ours, theirs = journal(workdir), journal(other)
    assert len(ours) == len(theirs)
    for name in ("step", "epoch", "examples", "learning_rate", "weight"):
        assert [row[name] for row in ours] == [row[name] for row in theirs]
    for name in ("loss", "gradient_norm"):
        np.testing.assert_allclose(
            [row[name] for row in ours], [row[name] for row in theirs], rtol=1e-4
        )
    results = [
        json.loads((path / "evaluation.json").read_text()) for path in (workdir, other)
    ]
    for name in ("videos", "views", "unreadable", "test_fingerprint"):
        assert results[0][name] == results[1][name]
    np.testing.assert_allclose(results[0]["loss"], results[1]["loss"], rtol=1e-3)


def test_two_workers_are_the_same_run_as_two_replicas(cluster, alone):
    """The updates to the bit: a sum of two is the same in either order."""
    assert_same_but_for_rounding(cluster, alone)
    ours, theirs = (folder / "journal.jsonl" for folder in (cluster, alone))
    assert ours.read_bytes() == theirs.read_bytes()


def test_a_finished_run_ends_at_once_on_all_workers(start, cluster):
    before = (cluster / "journal.jsonl").read_bytes()
    run = Cluster(start, cluster, 2)
    assert run.wait() == [0, 0], run.outputs()
    assert "This is worker 1 of 2" in run.workers[1].output()
    assert "top-1" in run.workers[0].output()
    assert "top-1" not in run.workers[1].output()
    assert (cluster / "journal.jsonl").read_bytes() == before


def test_two_workers_begin_with_the_weights_of_another_run(start, cluster, tmp_path):
    """The chief reads them; the journal says that both have them."""
    flags = (f"--init_from={cluster}", "--epochs=2", "--optimizer.warmup_epochs=1")
    two = Cluster(start, tmp_path / "two", 2, flags=flags)
    assert two.wait() == [0, 0], two.outputs()
    assert "head: 3 classes kept." in two.workers[0].output()
    one = start(tmp_path / "one", flags=flags)
    assert one.wait() == 0, one.output()[-3000:]
    ours, theirs = (tmp_path / name / "journal.jsonl" for name in ("two", "one"))
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize("killed", [0, pytest.param(1, marks=thorough)])
def test_a_worker_killed_ends_all_and_all_go_on(start, cluster, tmp_path, killed):
    run = Cluster(
        start, tmp_path, 2, own={killed: {"faults": [["stream opened", 3, "kill"]]}}
    )
    codes = run.wait()
    assert codes[killed] == -signal.SIGKILL
    assert codes[1 - killed] == 75, run.outputs()
    assert "The stacks of all threads" in run.workers[1 - killed].output()
    run = Cluster(start, tmp_path, 2)
    assert run.wait() == [0, 0], run.outputs()
    assert_undisturbed(tmp_path, cluster)


@pytest.mark.parametrize("lost", range(2))
def test_a_worker_lost_while_the_strategy_is_made_ends_all(start, tmp_path, lost):
    """TensorFlow waits for it, and holds the interpreter meanwhile."""
    own = {lost: {"faults": [["strategy begins", 1, "kill"]]}}
    own[1 - lost] = {"sabotage": "short registration"}
    run = Cluster(start, tmp_path, 2, own=own)
    codes = run.wait()
    assert codes[lost] == -signal.SIGKILL
    assert codes[1 - lost] == 75, run.outputs()
    assert "The stacks of all threads" in run.workers[1 - lost].output()


@pytest.mark.parametrize("told", range(2))
def test_sigterm_while_the_strategy_is_made_ends_all(start, tmp_path, told):
    """TensorFlow has its own handler meanwhile."""
    own = {told: {"faults": [["strategy made", 1, "terminate"]]}}
    run = Cluster(start, tmp_path, 2, own=own)
    assert run.wait() == [75, 75], run.outputs()
    assert "Stopped by SIGTERM" in run.workers[told].output()
    assert not rows(tmp_path)


@pytest.mark.parametrize(
    ("told", "number"),
    [
        pytest.param([0], signal.SIGTERM, marks=thorough),
        ([1], signal.SIGUSR1),
        pytest.param([1], signal.SIGHUP, marks=thorough),
        pytest.param([0, 1], signal.SIGTERM, marks=thorough),
    ],
)
def test_a_signal_saves_once_and_ends_all(start, cluster, tmp_path, told, number):
    run = Cluster(start, tmp_path, 2)
    run.workers[0].wait_until(lambda: rows(tmp_path) >= 4)
    for index in told:
        run.workers[index].signal(number)
    assert run.wait() == [75, 75], run.outputs()
    steps = sorted(p.name for p in (tmp_path / "checkpoints").glob("step-????????"))
    assert int(steps[-1][5:]) == rows(tmp_path)
    run = Cluster(start, tmp_path, 2)
    assert run.wait() == [0, 0], run.outputs()
    assert_undisturbed(tmp_path, cluster)


def test_the_number_of_workers_and_of_their_replicas_may_change(start, alone, tmp_path):
    """Two workers of two replicas, then one of two, then two of one."""
    kill = {0: {"faults": [["epoch written", 1, "kill"]]}}
    codes = Cluster(start, tmp_path, 2, own=kill, flags=["--runtime.replicas=2"]).wait()
    assert codes == [-signal.SIGKILL, 75]
    run = start(tmp_path, flags=[EPOCHS], **kill[0])
    assert run.wait() == -signal.SIGKILL
    run = Cluster(start, tmp_path, 2)
    assert run.wait() == [0, 0], run.outputs()
    assert_same_but_for_rounding(tmp_path, alone)


def test_each_video_is_scanned_once_and_each_clip_decoded_by_one(
    cluster, start, tiny_root, tmp_path
):
    """On a copy of the videos that nobody has scanned, after the run has ended.

    The chief scans the twenty files. Two clips of each of the seven test videos are
    measured again, half of them by each worker.
    """
    videos = tmp_path / "videos"
    shutil.copytree(tiny_root, videos, ignore=shutil.ignore_patterns(SCAN_FILE))
    logs = [tmp_path / f"decodes{index}" for index in range(2)]
    own = {i: {"sabotage": f"count decodes: {path}"} for i, path in enumerate(logs)}
    shutil.copytree(cluster, tmp_path / "run")
    flags = ["--views.clips=2", f"--data.root={videos}"]
    run = Cluster(start, tmp_path / "run", 2, own=own, flags=flags)
    assert run.wait() == [0, 0], run.outputs()
    counts = [collections.Counter(path.read_text("ascii")) for path in logs]
    # The chief reads one more of each video, for the pictures of the page.
    assert counts == [{"s": 20, "r": 7 + 7}, {"r": 7}]


def test_a_worker_that_hangs_ends_all(start, tmp_path):
    own = {1: {"faults": [["clip read", 12, "hang"]]}}
    flags = ["--checkpoints.stall_minutes=0.2"]
    run = Cluster(start, tmp_path, 2, own=own, flags=flags)
    assert run.wait() == [75, 75], run.outputs()
    assert any("No sign of progress" in worker.output() for worker in run.workers)


def test_evaluate_and_the_local_launcher(cluster, repository, tmp_path):
    """Two workers measure what the run has measured, and the chief alone says so."""
    shutil.copytree(cluster, tmp_path / "run")
    before = json.loads((cluster / "evaluation.json").read_text())
    ended = subprocess.run(
        ["bash", "launch/local.sh", "2", "--", "evaluate.py"]
        + [f"--workdir={tmp_path / 'run'}", "--runtime.replicas=1"],
        cwd=repository,
        # A proxy, where there is none, that must be passed by.
        env={
            **os.environ,
            "PYTHON": sys.executable,
            "http_proxy": "http://127.0.0.1:9",
            "no_proxy": "",
        },
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert ended.stdout.count("top-1") == 1
    after = json.loads((tmp_path / "run/evaluation.json").read_text())
    assert after.pop("loss") == pytest.approx(before.pop("loss"), rel=1e-6)
    for name in ("top1", "videos", "unreadable", "test_fingerprint", "weights_sha256"):
        assert after[name] == before[name]


@thorough
def test_a_worker_that_is_stopped_ends_all(start, cluster, tmp_path):
    own = {index: {"sabotage": "short heartbeat"} for index in range(2)}
    run = Cluster(start, tmp_path, 2, own=own)
    run.workers[1].wait_until(lambda: rows(tmp_path) >= 4)
    run.workers[1].signal(signal.SIGSTOP)
    assert run.workers[0].wait() == 75, run.outputs()
    run.workers[1].signal(signal.SIGCONT)
    assert run.workers[1].wait() == 75, run.outputs()
    assert Cluster(start, tmp_path, 2).wait() == [0, 0]
    assert_undisturbed(tmp_path, cluster)


@thorough
def test_killed_at_random_instants_any_worker(start, cluster, tmp_path):
    """Ten times one of the two, while starting, stepping, saving, evaluating."""
    generator = random.Random(0)
    kills, finished, codes = 0, 0, []
    while kills < 10 or codes != [0, 0]:
        folder = tmp_path / f"run-{finished}"
        before = rows(folder)
        run = Cluster(start, folder, 2)
        killed = generator.randrange(2)
        if kills < 10:
            wait_for_random_instant(generator, folder, before, run.workers)
            run.workers[killed].signal(signal.SIGKILL)
        codes = run.wait()
        if codes == [0, 0]:
            assert_undisturbed(folder, cluster)
            finished += 1
            continue
        assert codes[killed] in (0, -signal.SIGKILL), run.outputs()
        assert codes[1 - killed] in (0, 75), run.outputs()
        kills += 1
        note(workers=2, run=finished, kill=kills, ends=codes, rows=rows(folder))


@thorough
def test_three_workers(start, tmp_path):
    flags = ["--data.batch_size=6"]
    one = start(tmp_path / "alone", flags=[EPOCHS, *flags, "--runtime.replicas=3"])
    assert one.wait() == 0, one.output()[-3000:]
    kill = {1: {"faults": [["stream opened", 3, "kill"]]}}
    codes = Cluster(start, tmp_path / "three", 3, flags=flags, own=kill).wait()
    assert codes == [75, -signal.SIGKILL, 75]
    run = Cluster(start, tmp_path / "three", 3, flags=flags)
    assert run.wait() == [0, 0, 0], run.outputs()
    assert_same_but_for_rounding(tmp_path / "three", tmp_path / "alone")


def test_a_folder_that_not_all_see_is_refused(start, tmp_path):
    own = {1: {"workdir": tmp_path / "b", "sabotage": "see at once"}}
    run = Cluster(start, tmp_path / "a", 2, own=own)
    assert run.wait() == [6, 6], run.outputs()
    for worker in run.workers:
        assert "must be a folder that all workers see" in worker.output()
    assert not (tmp_path / "b").exists()


def test_workers_that_differ_end_before_the_first_step(start, tmp_path):
    own = {1: {"flags": ["--seed=6"]}}
    run = Cluster(start, tmp_path, 2, own=own)
    assert run.wait() == [2, 2]
    for worker in run.workers:
        assert "seed is 5 on worker 0, 6 on worker 1" in worker.output()
    assert not rows(tmp_path)
