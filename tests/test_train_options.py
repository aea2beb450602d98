"""Whole runs with other options: schedules, balance, loss scaling, what is kept."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

import train
from configs.command.errors import ConfigError
from configs.schema.serialization import from_json
from model import finished_result
from model.optimizer.schedule import warmup_cosine
from storage.plans import plan_run
from storage.run_folder import RunFolder
from tests.whole_runs import (
    KillAfter,
    Killed,
    assert_same_run,
    replace_runtime,
    rows,
    run,
)

pytestmark = pytest.mark.usefixtures("keep_signals")


def test_a_scaled_learning_rate_is_scaled_once_whatever_the_parts(
    small, tmp_path, caplog
):
    """Batches of 4 for a rate of batches of 8, in two parts on each of two replicas."""
    optimizer = dataclasses.replace(small.optimizer, reference_batch_size=8)
    config = replace_runtime(small, replicas=2, accumulation_steps=2)
    config = dataclasses.replace(config, epochs=2, optimizer=optimizer)
    with caplog.at_level("INFO", "absl"):
        with pytest.raises(Killed):
            run(config, tmp_path, KillAfter(3))
        run(config, tmp_path)  # From step 2 on.
    steps = {"steps": 7, "warmup_steps": 5}
    half = dataclasses.replace(small.optimizer, learning_rate=1.5e-3)
    schedule = warmup_cosine(half, batch_size=4, **steps)
    rates = [row["learning_rate"] for row in rows(tmp_path)]
    assert rates == pytest.approx([float(schedule(step)) for step in range(7)])
    line = "Peak learning rate: 0.003 for batches of 8, x0.5 for batches of 4: 0.0015."
    assert caplog.text.count(line) == 2  # Each start says so once.
    saved = from_json((tmp_path / "config.json").read_text()).optimizer
    assert saved.learning_rate == 3e-3


def scheduled(small, epochs, schedule, **changes):
    optimizer = dataclasses.replace(
        small.optimizer, schedule=schedule, warmup_epochs=0.5, **changes
    )
    return dataclasses.replace(small, epochs=epochs, optimizer=optimizer)


def test_stopped_before_its_decay_a_run_is_extended_as_if_it_had_begun_so(
    small, tmp_path
):
    """Two epochs are 7 steps, three are 10; the decay is the last 2 of them."""
    two, three = (scheduled(small, n, "wsd", decay_epochs=0.5) for n in (2, 3))
    run(three, tmp_path / "whole")
    with pytest.raises(Killed):
        run(two, tmp_path / "parts", KillAfter(5))
    run(three, tmp_path / "parts")
    assert_same_run(tmp_path / "parts", tmp_path / "whole")
    rates = [row["learning_rate"] for row in rows(tmp_path / "parts")]
    expected = [0.1, 0.55, *[1] * 7, 1 - 0.5**0.5]
    assert rates == pytest.approx([3e-3 * rate for rate in expected])

    with pytest.raises(
        ConfigError, match="epochs .was 3, received 2: it may only grow"
    ):
        run(two, tmp_path / "parts")


def test_once_the_decay_has_begun_a_run_cannot_be_extended(small, tmp_path):
    two, three = (scheduled(small, n, "wsd", decay_epochs=0.5) for n in (2, 3))
    with pytest.raises(Killed):
        run(two, tmp_path, KillAfter(6))
    message = (
        r"epochs \(was 2, received 3: the decay .* began after step 5, .* step 6\)"
    )
    with pytest.raises(ConfigError, match=message):
        run(three, tmp_path)
    run(two, tmp_path)  # As it began it goes on.
    with pytest.raises(ConfigError, match="began after step 5, .* of step 7"):
        run(three, tmp_path)


def test_under_a_constant_rate_a_finished_run_is_extended(small, tmp_path):
    two, three = (scheduled(small, n, "constant") for n in (2, 3))
    run(three, tmp_path / "whole")
    assert run(two, tmp_path / "parts")["step"] == 7
    folder = RunFolder(tmp_path / "parts")
    assert plan_run(two, folder.path)[1] == "a run that has finished"
    assert plan_run(three, folder.path)[1] == (
        "a run that has finished, and goes on as far as its epochs and patience let it"
    )
    assert finished_result(three, folder) is None
    assert run(three, folder.path)["step"] == 10
    assert_same_run(tmp_path / "parts", tmp_path / "whole")
    assert finished_result(three, folder)["step"] == 10


def test_a_warmup_that_is_left_open_is_that_of_the_runs_length(small, tmp_path):
    """And is kept: a longer run does not silently get another one."""
    optimizer = dataclasses.replace(
        small.optimizer, warmup_epochs=None, schedule="constant"
    )
    one = dataclasses.replace(small, epochs=1, optimizer=optimizer)
    run(one, tmp_path)
    saved = from_json((tmp_path / "config.json").read_text())
    assert saved.optimizer.warmup_epochs == 0.1
    with pytest.raises(ConfigError, match=r"warmup_epochs \(was 0.1, received 2.5\)"):
        run(dataclasses.replace(one, epochs=3), tmp_path)


@pytest.mark.parametrize("option", ["class_weights", "sampling"])
def test_interrupted_with_balanced_classes_it_goes_on(small, tmp_path, option):
    """On the other number of replicas the examples are the same."""
    section = "data" if option == "sampling" else "optimizer"
    values = dataclasses.replace(getattr(small, section), **{option: "balanced"})
    config = replace_runtime(small, replicas=2)
    config = dataclasses.replace(config, epochs=2, **{section: values})
    run(config, tmp_path / "whole")
    with pytest.raises(Killed):
        run(config, tmp_path / "parts", KillAfter(3))
    run(config, tmp_path / "parts")
    assert_same_run(tmp_path / "parts", tmp_path / "whole")
    if option == "class_weights":  # See tests/model/test_training.py.
        return
    run(replace_runtime(config, replicas=1), tmp_path / "other")
    ours, theirs = rows(tmp_path / "other"), rows(tmp_path / "whole")
    assert [row["examples"] for row in ours] == [row["examples"] for row in theirs]
    losses = [[row["loss"] for row in part] for part in (ours, theirs)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_interrupted_with_loss_scaling_it_goes_on(small, tmp_path):
    config = replace_runtime(small, replicas=2, precision="mixed_float16")
    config = dataclasses.replace(config, epochs=2)
    run(config, tmp_path / "whole")
    with pytest.raises(Killed):
        run(config, tmp_path / "parts", KillAfter(3))
    run(config, tmp_path / "parts")
    assert_same_run(tmp_path / "parts", tmp_path / "whole")
    assert rows(tmp_path / "whole")[0]["loss_scale"] == 2**15


def test_a_profile_changes_nothing_and_nor_does_a_kill_during_it(
    small, tmp_path, caplog
):
    config = dataclasses.replace(small, epochs=2)
    run(config, tmp_path / "whole")
    profiled = replace_runtime(config, profile_steps=(2, 4))
    run(profiled, tmp_path / "profiled")
    assert_same_run(tmp_path / "profiled", tmp_path / "whole")
    pattern = "tensorboard/plugins/profile/*/*.xplane.pb"
    (profile,) = (tmp_path / "profiled").glob(pattern)
    assert profile.stat().st_size > 1000
    with pytest.raises(Killed):
        run(profiled, tmp_path / "parts", KillAfter(3))
    tf.profiler.experimental.stop(save=False)  # As the end of the process does.
    run(profiled, tmp_path / "parts")
    assert_same_run(tmp_path / "parts", tmp_path / "whole")
    assert "No profile: the steps 2 to 4 of runtime.profile_steps" in caplog.text
    assert not list((tmp_path / "parts").glob(pattern))


def test_the_best_on_held_out_groups_is_kept(small, tmp_path):
    data = dataclasses.replace(
        small.data, validation="groups", validation_groups=(1, 2)
    )
    config = dataclasses.replace(small, data=data, epochs=4)
    config = dataclasses.replace(
        config, checkpoints=dataclasses.replace(small.checkpoints, keep=1)
    )
    run(config, tmp_path)
    history = rows(tmp_path, "history")
    assert {row["validation"] for row in history} == {"groups"}
    # 13 videos less the 6 of two groups: 7 of them, in batches of 4.
    assert [row["step"] for row in history] == [2, 4, 6, 7]
    best = max(history, key=lambda row: row["top1"])["step"]
    kept = {int(p.name[5:]) for p in (tmp_path / "checkpoints").iterdir()}
    assert kept == {best, 7}
    # The number that is reported is the last checkpoint's all the same.
    assert json.loads((tmp_path / "evaluation.json").read_text())["step"] == 7


def test_checkpoints_of_every_so_manieth_epoch_stay(small, tmp_path):
    checkpoints = dataclasses.replace(small.checkpoints, keep=1, keep_every=2)
    run(dataclasses.replace(small, epochs=5, checkpoints=checkpoints), tmp_path)
    # 13 clips an epoch in batches of 4: epochs end at 4, 7, 10, 13 and 17.
    kept = sorted(int(p.name[5:]) for p in (tmp_path / "checkpoints").iterdir())
    assert kept == [7, 13, 17]


def test_a_run_ends_when_it_has_stopped_improving(small, tmp_path, monkeypatch, caplog):
    """However it was interrupted; with more patience it goes on."""
    # 7 clips an epoch in batches of 4, and how good each epoch is at its last step.
    top1 = {2: 0.2, 4: 0.6, 6: 0.5, 7: 0.6, 9: 0.5, 11: 0.9, 13: 0.9}

    def validated(data, clips, evaluator):
        step = int(evaluator.model.optimizer.iterations.numpy())
        return {"validation": data.validation, "top1": top1[step]}

    monkeypatch.setattr(train, "validation_row", validated)
    data = dataclasses.replace(
        small.data, validation="groups", validation_groups=(1, 2)
    )

    def patient(patience):
        checkpoints = dataclasses.replace(small.checkpoints, patience=patience)
        return dataclasses.replace(small, data=data, checkpoints=checkpoints)

    with caplog.at_level("INFO", "absl"):
        assert run(patient(2), tmp_path / "whole")["step"] == 7
    assert "The run ends with epoch 4 of 7: no better top-1" in caplog.text

    def fail(*_, **__):
        raise Killed

    with pytest.raises(Killed):
        run(patient(2), tmp_path / "parts", KillAfter(5))
    with monkeypatch.context() as context, pytest.raises(Killed):
        context.setattr(train, "write_report", fail)
        run(patient(2), tmp_path / "parts")
    assert run(patient(2), tmp_path / "parts")["step"] == 7
    assert_same_run(tmp_path / "parts", tmp_path / "whole")

    folder = RunFolder(tmp_path / "parts")
    assert finished_result(patient(2), folder)["step"] == 7
    assert finished_result(patient(3), folder) is None
    assert run(patient(3), folder.path)["step"] == 9
    assert [row["epoch"] for row in rows(folder.path, "history")] == [*range(5)]


def test_a_run_keeps_to_the_videos_it_began_with(small, tiny_root, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(tiny_root, root)
    videos = sorted((root / "UCF-101").rglob("*_g01_*.avi"))
    videos[0].write_bytes(b"no video")
    data = dataclasses.replace(small.data, root=str(root), max_bad_fraction=0.2)
    config = dataclasses.replace(small, data=data, epochs=2)
    run(config, tmp_path / "whole")
    with pytest.raises(Killed):
        run(config, tmp_path / "parts", KillAfter(3))

    videos[1].write_bytes(b"no video")
    names = [str(video.relative_to(root / "UCF-101")) for video in videos[:2]]
    with pytest.raises(ConfigError, match=f"left_out .was .*received.*{names[1]}"):
        run(config, tmp_path / "parts")

    for name in names:  # Both are well again; the first still stays out.
        shutil.copyfile(tiny_root / "UCF-101" / name, root / "UCF-101" / name)
    run(config, tmp_path / "parts")
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


def test_videos_that_are_added_change_nothing_of_a_run(small, tiny_root, tmp_path):
    """A folder without lists grows while a run is away: it ends as if it had not."""
    videos = shutil.copytree(tiny_root / "UCF-101", tmp_path / "videos")
    data = dataclasses.replace(
        small.data, source="folder", root=str(videos), validation="split"
    )
    config = dataclasses.replace(small, epochs=3, data=data)
    whole = run(config, tmp_path / "whole")
    with pytest.raises(Killed):
        run(config, tmp_path / "parts", KillAfter(4))
    for name in ("Fall", "Rise"):
        source = next((videos / name).glob("*.avi"))
        shutil.copy(source, videos / name / "added.avi")
    (videos / "split.csv").unlink()
    assert run(config, tmp_path / "parts")["top1"] == whole["top1"]
    assert_same_run(tmp_path / "parts", tmp_path / "whole")
    identity = RunFolder(tmp_path / "parts").identity
    assert (
        identity["train_size"] == RunFolder(tmp_path / "whole").identity["train_size"]
    )
