"""Signals, hangs, NaN, two starters, other replicas: no finished step is lost."""

import json
import signal
import time

import numpy as np
import pytest

from tests.chaos.runs import (
    assert_undisturbed,
    finish,
    last_saved,
    rows,
)
from tests.whole_runs import newest_variables


@pytest.mark.parametrize(
    ("point", "count", "action", "code"),
    [
        ("stream opened", 1, "terminate", 75),  # The first step compiles after this.
        ("step done", 5, "hang up", 75),
        ("variables written", 3, "warn ahead", 75),
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
    """The main thread waits in TensorFlow for what never comes, a step unsaved."""
    workdir = tmp_path / "run"
    run = start(workdir, [["step done", 5, "hang in TensorFlow"]])
    run.wait_until(lambda: rows(workdir) == 5)
    run.signal(signal.SIGTERM)
    run.wait_until(lambda: "again to stop at once" in run.output())
    assert run.alive and (rows(workdir), last_saved(workdir)) == (5, 4)
    while run.alive:  # Within a second of the first, another is taken for its echo.
        run.signal(signal.SIGTERM)
        time.sleep(0.1)
    assert run.wait() == 75
    assert "the same command goes on after step 4" in run.output()
    finish(start, workdir)
    assert_undisturbed(workdir, undisturbed)


def test_a_run_that_ends_does_not_wait_for_what_hangs(start, undisturbed, tmp_path):
    """A decoder hangs on a clip of a later step when a signal ends the run."""
    workdir = tmp_path / "run"
    faults = [["clip read", 20, "hang"], ["step done", 2, "terminate once it hangs"]]
    run = start(workdir, faults)
    assert run.wait() == 75
    assert last_saved(workdir) == rows(workdir)
    finish(start, workdir)
    assert_undisturbed(workdir, undisturbed)


def test_a_hang_ends_in_stacks_and_an_exit(start, undisturbed, tmp_path):
    workdir = tmp_path / "run"
    patience = ["--checkpoints.stall_minutes=1"]
    run = start(workdir, [["clip read", 30, "hang"]], flags=patience)
    assert run.wait() == 1
    assert "No sign of progress for 0:01:00" in run.output()
    assert "_read_one" in run.output() and "in train\n" in run.output()
    finish(start, workdir)
    assert_undisturbed(workdir, undisturbed)


def test_two_starters_at_once(start, undisturbed, tmp_path):
    workdir = tmp_path / "run"
    runs = [start(workdir) for _ in range(2)]
    assert sorted(run.wait() for run in runs) == [0, 7]
    assert_undisturbed(workdir, undisturbed)


def test_nan_on_one_replica_skips_updates_or_ends_the_run(start, tmp_path):
    run = start(tmp_path / "three", sabotage="three NaN")
    assert run.wait() == 0, run.output()[-3000:]
    losses = [
        json.loads(line)["loss"]
        for line in (tmp_path / "three" / "journal.jsonl").open()
    ]
    assert [i for i, loss in enumerate(losses) if not np.isfinite(loss)] == [5, 6, 7]
    trained = newest_variables(tmp_path / "three").values()
    assert all(np.isfinite(v).all() for v in trained if v.dtype.kind == "f")

    run = start(tmp_path / "ever", sabotage="NaN for ever")
    assert run.wait() == 5, run.output()[-3000:]
    assert "The last good checkpoint is" in run.output()
    assert last_saved(tmp_path / "ever") == 9


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
