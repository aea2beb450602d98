"""JSON gives the same experiment back, and nothing else."""

import pytest
from absl import flags as absl_flags

from configs.command import flags
from configs.command.errors import ConfigError
from configs.schema.serialization import from_json, to_json


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


def test_json_with_another_field_is_refused(load):
    text = to_json(load("demo")).replace("epochs", "epoks", 1)
    with pytest.raises(ConfigError, match="epochs.*received.*epoks"):
        from_json(text)


def test_json_with_a_wrong_type_is_refused(load):
    text = to_json(load("demo"))
    text = text.replace('"batch_size": 8', '"batch_size": "8"')
    with pytest.raises(ConfigError, match="data.batch_size must be an integer.*'8'"):
        from_json(text)
