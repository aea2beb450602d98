"""JSON gives the same experiment back, and nothing else."""

import dataclasses
import json
import logging

import pytest
from absl import flags as absl_flags

from configs.command import flags
from configs.command.config_file import experiment_of
from configs.command.errors import ConfigError
from configs.schema import serialization
from configs.schema.serialization import from_json, to_json, to_python


@pytest.fixture
def load():
    """Loads an experiment as it is."""
    values = absl_flags.FlagValues()
    flags.define(values)
    values(["program"])
    return lambda name: flags.load(name, values)


@pytest.mark.parametrize("name", flags.experiments())
def test_every_experiment_survives_json(name, load):
    assert from_json(to_json(load(name))) == load(name)


@pytest.mark.parametrize("name", flags.experiments())
def test_every_experiment_survives_python(name, load, tmp_path):
    path = tmp_path / "dumped.py"
    path.write_text(to_python(load(name)))
    assert experiment_of(path) == load(name)


def test_python_of_an_experiment_is_ascii_whatever_its_names(load, tmp_path):
    root = "caf\u00e9 \u202e\U0001f3c3 'a' \"b\" \\n"
    config = load("demo")
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, root=root, crop_area=(0.1, 1e-0))
    )
    path = tmp_path / "dumped.py"
    path.write_bytes(to_python(config).encode("ascii"))
    assert experiment_of(path) == config


def test_json_with_another_field_is_refused(load):
    text = to_json(load("demo")).replace("epochs", "epoks", 1)
    with pytest.raises(ConfigError, match="epochs.*received.*epoks"):
        from_json(text)


def test_json_with_a_wrong_type_is_refused(load):
    text = to_json(load("demo"))
    text = text.replace('"batch_size": 8', '"batch_size": "8"')
    with pytest.raises(ConfigError, match="data.batch_size must be an integer.*'8'"):
        from_json(text)


def test_an_option_that_may_change_may_be_missing(load, caplog):
    """A version that did not have it yet began the run."""
    values = json.loads(to_json(load("demo")))
    assert values["model"].pop("trust_graph") is False
    serialization._note_default.cache_clear()  # Another test may have heard it.
    with caplog.at_level(logging.WARNING, "absl"):
        assert from_json(json.dumps(values)) == load("demo")
    assert "says nothing of model.trust_graph: it is False" in caplog.text
    del values["model"]["dropout"]
    with pytest.raises(ConfigError, match="section model. of the config must hold"):
        from_json(json.dumps(values))


def test_an_option_may_be_missing_whose_default_was_what_was_done(load, caplog):
    values = json.loads(to_json(load("demo")))
    assert values["optimizer"].pop("reference_batch_size") is None
    serialization._note_default.cache_clear()
    with caplog.at_level(logging.WARNING, "absl"):
        assert from_json(json.dumps(values)) == load("demo")
    assert "says nothing of optimizer.reference_batch_size: it is None" in caplog.text


@pytest.mark.parametrize(("old", "now"), [(False, "none"), (True, "block")])
def test_a_value_that_has_another_name_now_is_read(old, now, load):
    values = json.loads(to_json(load("demo")))
    values["model"]["recompute"] = old
    assert from_json(json.dumps(values)).model.recompute == now


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"seed": 0', '"seed": 0, "seed": 1', "'seed' is there twice"),
        ('"seed": 0', '"seed": ' + "9" * 5000, "9999… is too long"),
        ('"seed": 0', '"seed": ' + "[" * 100_000, "must be JSON; .*recursion"),
        ('"seed": 0', '"seed": NaN', "seed must be an integer"),
        ('"dropout": 0.0', '"dropout": Infinity', "model.dropout must be finite"),
        ('"seed": 0', '"seed": [[0]]', "seed must be an integer"),
    ],
)
def test_json_that_could_be_read_in_two_ways_is_refused(load, old, new, message):
    text = to_json(load("demo"))
    text = text.replace('"dropout": 0.5', '"dropout": 0.0')
    assert old in text
    with pytest.raises(ConfigError, match=message) as error:
        from_json(text.replace(old, new))
    assert "\n" not in str(error.value) and len(str(error.value)) < 500
