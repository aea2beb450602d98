"""Which run, and which of its checkpoints, a new run begins with."""

import dataclasses
import shutil

import pytest

from configs.command.errors import CheckpointError, ConfigError
from configs.demo import config as demo
from configs.schema.serialization import to_json
from storage.initial_run import begun_model, find_initial_run
from storage.rows import Rows
from storage.run_folder import RunFolder


@pytest.fixture
def other(tmp_path):
    """A run with checkpoints of the steps 4, 8 and 12, the best of which is 8."""
    model = dataclasses.replace(demo().model, backbone="video_swin")
    folder = RunFolder(tmp_path / "other")
    with folder.locked():
        folder.begin(
            to_json(dataclasses.replace(demo(), model=model)), {"class_names": ["a"]}
        )
    for step in (4, 8, 12):
        checkpoint(folder, step)
    history(folder, "groups", {4: 0.5, 8: 0.75, 10: 1.0, 12: 0.25})
    return folder


@pytest.fixture
def new(tmp_path):
    return RunFolder(tmp_path / "new")


def checkpoint(folder, step):
    path = folder / "checkpoints" / f"step-{step:08}"
    path.mkdir(parents=True)
    (path / "manifest.json").write_text("{}")


def history(folder, validation, top1):
    (folder / "history.jsonl").unlink(missing_ok=True)
    rows = Rows(folder / "history.jsonl", key="epoch")
    for epoch, (step, value) in enumerate(top1.items()):
        means = {"loss": 1.0, "accuracy": 0.5}
        measured = {"validation": validation, "top1": value}
        rows.append({"epoch": epoch, "step": step, **means, **measured})


def wanted(other, choice="", **model):
    model = dataclasses.replace(demo().model, **model)
    init_from = f"{other.path}{choice}"
    return dataclasses.replace(demo(), init_from=init_from, model=model)


@pytest.mark.parametrize(("choice", "step"), [("", 12), ("@4", 4), ("@best", 8)])
def test_the_checkpoint_is_the_newest_that_of_a_step_or_the_best(
    other, new, choice, step
):
    initial = find_initial_run(wanted(other, choice), new)
    assert (initial.step, initial.folder.path) == (step, other.path)
    assert str(initial) == f"step {step} of {other.path}"
    assert begun_model(wanted(other, choice), new).backbone == "video_swin"


def test_no_run_is_needed_where_none_is_named(new):
    assert find_initial_run(demo(), new) is None
    assert begun_model(demo(), new) is None


def test_a_run_with_a_checkpoint_reads_no_other(other, new):
    with new.locked():
        new.begin(to_json(demo()), {})
    checkpoint(new, 0)
    config = wanted(other, "@best")
    other.path.rename(other.path.with_name("gone"))
    assert find_initial_run(config, new) is None
    assert begun_model(config, new) == demo().model


def test_one_killed_before_its_first_checkpoint_begins_with_the_same_step(other, new):
    weights = {"run_id": "x", "step": 8, "weights_sha256": "y"}
    with new.locked():
        new.begin(to_json(wanted(other)), {"initial_weights": weights})
    assert find_initial_run(wanted(other), new).step == 8


def test_one_whose_first_weights_are_gone_is_told_the_way_on(other, new):
    weights = {"run_id": "x", "step": 8, "weights_sha256": "y"}
    with new.locked():
        new.begin(to_json(wanted(other)), {"initial_weights": weights})
    shutil.rmtree(other / "checkpoints" / "step-00000008")
    message = r"steps: 12, 4. The run in .*new began with it, .* another --workdir"
    with pytest.raises(CheckpointError, match=message):
        find_initial_run(wanted(other), new)


def test_a_step_that_is_not_there_is_refused_with_those_that_are(other, new):
    with pytest.raises(CheckpointError, match="no checkpoint of step 5 .*: 12, 8, 4"):
        find_initial_run(wanted(other, "@5"), new)


def test_the_best_is_refused_where_only_the_test_split_was_watched(other, new):
    history(other, "test", {4: 0.5, 8: 0.75})
    with pytest.raises(ConfigError, match=r"held-out videos .*steps \[12, 8, 4\]"):
        find_initial_run(wanted(other, "@best"), new)


def test_another_backbone_is_refused_with_what_differs(other, new):
    config = wanted(other, embed_dim=48, depths=(2, 4), dropout=0.9, recompute="block")
    with pytest.raises(ConfigError) as error:
        find_initial_run(config, new)
    assert "model.embed_dim is 24 there, 48 here; model.depths is " in str(error.value)
    assert "\n" not in str(error.value) and "dropout" not in str(error.value)


def test_what_is_no_run_or_lost_what_it_is_is_refused(other, new, tmp_path):
    absent = RunFolder(tmp_path / "absent")
    with pytest.raises(ConfigError, match="absent', which holds no config.json"):
        find_initial_run(wanted(absent), new)
    (other / "run.json").unlink()
    with pytest.raises(ConfigError, match="run.json must be as the run wrote it"):
        find_initial_run(wanted(other), new)
