"""A converted checkpoint is measured with its own head and its own classes."""

import dataclasses
import json
import shutil

import pytest

import evaluate
from configs import flags
from configs.errors import ConfigError
from configs.schema import Experiment, Model, Runtime, Views
from model import load_handle


@pytest.fixture
def config(converted, tiny):
    data = dataclasses.replace(tiny.data, frames=4, size=16)
    return Experiment(
        data=data,
        model=Model(handle=str(converted)),
        runtime=Runtime(replicas=2),
        views=Views(clips=2, crops=1),
    )


def test_the_clip_is_the_one_it_was_written_for(converted):
    values = _Values({"model.handle": str(converted)})
    config = flags.from_handle(load_handle(str(converted)), values)
    assert (config.data.frames, config.data.size) == (4, 16)


class _Values(dict):
    """Flag values of which none but the given were on the command line."""

    def __missing__(self, name):
        return _Flag(None, False)

    def __getitem__(self, name):
        found = super().__getitem__(name)
        return found if isinstance(found, _Flag) else _Flag(found, True)


@dataclasses.dataclass
class _Flag:
    value: object
    present: bool


def test_its_own_head_decides(config, tmp_path):
    result = evaluate.evaluate(config, None, tmp_path)
    # Two or three of the seven test videos rise.
    labels = [line.split(",")[1] for line in (tmp_path / "predictions.csv").open()][1:]
    assert result["top1"] == labels.count("Rise") / 7
    assert result["step"] is None
    assert json.loads((tmp_path / "evaluation.json").read_text())["views"] == 2


def test_videos_of_other_classes_are_refused(config, tiny_root, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_root, other)
    for path in (other / "ucfTrainTestlist").iterdir():
        path.write_text(path.read_text().replace("Slide", "Glide"))
    (other / "UCF-101" / "Slide").rename(other / "UCF-101" / "Glide")
    for path in (other / "UCF-101" / "Glide").iterdir():
        path.rename(path.with_name(path.name.replace("Slide", "Glide")))
    data = dataclasses.replace(config.data, root=str(other))
    with pytest.raises(ConfigError, match="Fall, Rise, Slide.*holds Fall, Rise, Glide"):
        evaluate.evaluate(dataclasses.replace(config, data=data), None, tmp_path)


def test_classes_without_names_are_compared_by_number():
    evaluate.check_classes(["0", "1"], ("a", "b"), "root")
    with pytest.raises(ConfigError, match="the 2 classes"):
        evaluate.check_classes(["0", "1"], ("a", "b", "c"), "root")
