import pytest

from configs.command.errors import CheckpointError, ConfigError
from storage.choice import step_of
from storage.history import Epoch
from storage.rows import Rows
from storage.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    """A run with checkpoints of the steps 4 and 8."""
    for step in (4, 8):
        path = tmp_path / "checkpoints" / f"step-{step:08d}"
        path.mkdir(parents=True)
        (path / "manifest.json").touch()
    return RunFolder(tmp_path)


def validated(folder, validation):
    rows = Rows(folder / "history.jsonl", Epoch, key="epoch")
    for epoch, top1 in enumerate((0.75, 0.5)):
        row = {"step": 4 * epoch + 4, "epoch": epoch, "loss": 1.0, "accuracy": 0.5}
        rows.append(row | {"validation": validation, "top1": top1})


@pytest.mark.parametrize("validation", ["split", "groups"])
def test_a_step_the_best_or_the_newest(folder, validation):
    validated(folder, validation)
    choices = (8, 4, None, "best")
    assert [step_of(folder, c, "--step") for c in choices] == [8, 4, 8, 4]
    with pytest.raises(CheckpointError, match="no checkpoint of step 5"):
        step_of(folder, 5, "--step=5")


@pytest.mark.parametrize("validation", ["test", "none"])
def test_the_best_by_the_test_split_is_refused(folder, validation):
    validated(folder, validation)
    with pytest.raises(ConfigError, match=r"--step=best must be .*steps \[8, 4\]"):
        step_of(folder, "best", "--step=best")
