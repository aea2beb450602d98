"""What a run's folder tells before TensorFlow is imported."""

import dataclasses

import pytest

from configs.command.errors import CheckpointError, ConfigError
from configs.demo import config
from configs.schema.serialization import to_json
from storage.plans import chosen_step, plan_run
from storage.run_folder import RunFolder

RESULT = {
    "top1": 1.0,
    "mean_class_accuracy": 1.0,
    "videos": 1,
    "views": 1,
    "unreadable": [],
    "class_accuracies": {},
}


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.locked():
        yield folder


def checkpoint(folder, step):
    path = folder / "checkpoints" / f"step-{step:08}"
    path.mkdir(parents=True)
    (path / "manifest.json").write_text("{}")


def test_it_is_said_what_becomes_of_the_folder(folder, tmp_path):
    absent, what = plan_run(config(), tmp_path / "absent")
    assert what == "a new run" and not absent.path.exists()
    folder.begin(to_json(config()), {})
    assert plan_run(config(), folder.path)[1] == "a new run"
    checkpoint(folder, 7)
    checkpoint(folder, 12)
    what = plan_run(config(), folder.path)[1]
    assert what == "the run goes on, its newest checkpoint is of step 12"
    folder.finish(RESULT)
    assert plan_run(config(), folder.path)[1] == "a run that has finished"


def test_options_that_must_not_differ_are_refused_but_not_an_open_model(folder):
    resolved = dataclasses.replace(config().model, backbone="video_swin")
    folder.begin(to_json(dataclasses.replace(config(), model=resolved)), {})
    plan_run(config(), folder.path)
    with pytest.raises(ConfigError, match=r"seed \(was 0, received 1\)"):
        plan_run(dataclasses.replace(config(), seed=1), folder.path)
    optimizer = dataclasses.replace(config().optimizer, reference_batch_size=8)
    with pytest.raises(ConfigError, match=r"batch_size \(was None, received 8\)"):
        plan_run(dataclasses.replace(config(), optimizer=optimizer), folder.path)


def test_a_file_and_a_damaged_run_are_refused(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--workdir must be a folder"):
        plan_run(config(), tmp_path / "file")
    checkpoint(folder, 7)
    with pytest.raises(ConfigError, match="config.json .* it is not there"):
        plan_run(config(), folder.path)


def test_a_checkpoint_is_chosen_by_its_step(folder):
    with pytest.raises(CheckpointError, match="There is no checkpoint in .*: none"):
        chosen_step(folder / "checkpoints")
    checkpoint(folder, 7)
    checkpoint(folder, 12)
    assert chosen_step(folder / "checkpoints") == 12
    assert chosen_step(folder / "checkpoints", 7) == 7
    with pytest.raises(CheckpointError, match="no checkpoint of step 8 .*: 12, 7"):
        chosen_step(folder / "checkpoints", 8)
