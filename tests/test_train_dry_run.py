"""A dry run tells what the run would do, and leaves everything as it was."""

import dataclasses
import os
import re

import pytest

import train
from configs.command.errors import CheckpointError, ConfigError, NumericsError
from storage.unwritten_folder import UnwrittenFolder
from tests.whole_runs import KillAfter, Killed, rows, run

pytestmark = pytest.mark.usefixtures("keep_signals")


@pytest.fixture
def short(small):
    """Two epochs: seven steps."""
    return dataclasses.replace(small, epochs=2)


@pytest.fixture
def dry_run(capsys, tmp_path):
    """Tries a run in its folder; returns what was printed, once nothing has changed."""

    def dry_run(config, folder):
        before = everything(tmp_path)
        try:
            train.rehearsal(config, UnwrittenFolder(folder))
        finally:
            assert everything(tmp_path) == before
        return capsys.readouterr().out

    return dry_run


def everything(folder):
    """Path -> content and time of change of all that lies in a folder, and its own."""
    found = {folder: os.stat(folder).st_mtime_ns}
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else None
        found[path] = (content, os.stat(path).st_mtime_ns)
    return found


def next_loss(printed):
    return float(re.search(r"next step: loss (\d+\.\d{4}); ", printed)[1])


def test_its_loss_is_that_of_the_runs_next_step(short, tmp_path, dry_run):
    """Of a new run, and of one that goes on with masks, moments and a position."""
    workdir = tmp_path / "run"
    new = dry_run(short, workdir)
    assert f"Dry run of {workdir}: a new run would begin, with random weights." in new
    with pytest.raises(Killed):
        run(short, workdir, KillAfter(5))  # Its newest checkpoint: step 4.
    later = dry_run(short, workdir)
    assert f"Dry run of {workdir}: the run would go on from step 4." in later
    assert "  left: 3 steps, " in later
    run(short, workdir)
    losses = [row["loss"] for row in rows(workdir)]
    assert next_loss(new) == pytest.approx(losses[0], abs=1e-4)
    assert next_loss(later) == pytest.approx(losses[4], abs=1e-4)

    finished = dry_run(short, workdir)
    assert finished.startswith(f"{workdir}: top-1 ") and finished.count("\n") == 1
    begun = dataclasses.replace(short, init_from=str(workdir), seed=4)
    weights = f"a new run would begin, with the weights of {workdir}."
    assert weights in dry_run(begun, tmp_path / "new")


def test_its_plan_is_that_of_the_run(short, tmp_path, dry_run):
    printed = dry_run(short, tmp_path / "run")
    assert "3 classes; 13 videos to train, 7 to validate" in printed
    assert "2 epochs of 3.25 steps, 7 steps of 4 clips" in printed
    assert "peak 0.003, of the backbone 0.0003; schedule cosine, 1.5 epochs" in printed
    assert "1 replica, float32, 4 clips at once" in printed
    assert f"python evaluate.py --workdir={tmp_path / 'run'}\n" in printed


def test_a_damaged_checkpoint_is_passed_over_and_stays_where_it_is(
    short, tmp_path, dry_run, caplog
):
    with pytest.raises(Killed):
        run(short, tmp_path / "run", KillAfter(5))
    *older, newest = sorted((tmp_path / "run" / "checkpoints").iterdir())
    (newest / "state.json").write_text("{}")
    assert "go on from step 2." in dry_run(short, tmp_path / "run")
    assert "Checkpoints that cannot be used: step 4: " in caplog.text
    for path in older:
        (path / "state.json").write_text("{}")
    with pytest.raises(CheckpointError, match="No checkpoint in .* can be used"):
        dry_run(short, tmp_path / "run")


def test_what_ends_the_run_ends_its_dry_run(short, tmp_path, dry_run, monkeypatch):
    with pytest.raises(Killed):
        run(short, tmp_path / "run", KillAfter(1))
    with pytest.raises(ConfigError, match=r"seed \(was 3, received 4\)"):
        dry_run(dataclasses.replace(short, seed=4), tmp_path / "run")

    created = train.create_model

    def with_nan(*arguments, **options):
        model = created(*arguments, **options)
        model.head.bias.assign(float("nan") + model.head.bias)
        return model

    monkeypatch.setattr(train, "create_model", with_nan)
    with pytest.raises(NumericsError, match="The loss of update 1 must be finite"):
        dry_run(short, tmp_path / "other")
