"""Options, clips and pictures as TensorBoard shows them."""

import dataclasses

import numpy as np
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from callbacks.event_files import EventFiles
from callbacks.introduction import hyperparameters, introduction, options_table
from configs import demo
from tests.callbacks.events import shown


def experiment(**changes):
    """The demo with other options of its data."""
    config = demo.config()
    data = dataclasses.replace(config.data, **changes)
    return dataclasses.replace(config, data=data)


def test_the_table_has_every_option_and_no_value_is_markdown():
    lines = options_table(experiment(root="a|b*<i>\n&")).splitlines()
    assert lines[:2] == ["| option | value |", "|---|---|"]
    assert "| data.root | a\\|b\\*&lt;i\\>\\\\n&amp; |" in lines
    assert "| model.depths | 2,2 |" in lines
    assert "| seed | 0 |" in lines and "| init_head | true |" in lines
    assert "| optimizer.learning_rate | 0\\.002 |" in lines


def test_hyperparameters_are_what_a_run_cannot_change():
    found = hyperparameters(experiment(root="videos"))
    assert "data.root" not in found and "runtime.replicas" not in found
    assert found["model.depths"] == "2,2" and found["model.handle"] == ""
    assert found["seed"] == 0 and found["data.flip"] is False
    assert found["optimizer.learning_rate"] == 0.002
    assert found["optimizer.clip_norm"] == "none"


def first(count):
    clip = np.zeros([4, 3, 16, 16], np.uint8)
    return [(clip, "Fall", "Fall/v_1.avi", 1.0)] * count


def test_tensorboard_shows_it(tmp_path):
    files = EventFiles(tmp_path)
    files.begin(0)
    files.show(0, *introduction(experiment(batch_size=2), "mine", first))
    ((tag, step, (text,)),) = shown(tmp_path, "text")
    assert (tag, step) == ("options", 0)
    assert text.decode() == options_table(experiment(batch_size=2))
    ((tag, step, (width, height, png)),) = shown(tmp_path, "images")
    assert (tag, step, png[:4]) == ("first_batch", 0, b"\x89PNG")
    assert int(width) > int(height) > 0
    ((tag, *_),) = shown(tmp_path, "hparams")
    assert tag == "_hparams_/session_start_info"


def test_the_run_is_called_by_its_name():
    values = introduction(experiment(batch_size=2), "mine", first)
    content = values[1].metadata.plugin_data.content
    assert HParamsPluginData.FromString(content).session_start_info.group_name == "mine"


def test_without_a_picture_all_else_is_shown(caplog):
    def broken(count):
        raise RuntimeError("no fonts")

    values = introduction(experiment(), "mine", broken)
    assert [value.tag for value in values] == [
        "options",
        "_hparams_/session_start_info",
    ]
    assert "No picture of the first batch (RuntimeError: no fonts)" in caplog.text
