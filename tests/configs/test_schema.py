"""Sections are immutable and check types and rules whoever builds them."""

import dataclasses

import pytest

from configs import schema
from configs.errors import ConfigError


def test_sections_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        schema.Data().split = 2


@pytest.mark.parametrize(
    ("section", "field", "value", "message"),
    [
        ("Data", "split", 4, "data.split must be 1, 2 or 3; received 4"),
        ("Data", "flip", 1, "data.flip must be true or false; received 1"),
        ("Data", "crop_area", (0.9, 0.5), "data.crop_area must be two increasing"),
        ("Data", "validation", "tset", "one of test, groups, none; received 'tset'"),
        ("Runtime", "precision", "fp16", "runtime.precision must be one of float32"),
        ("Optimizer", "beta_2", 1.0, "optimizer.beta_2 must be in"),
        ("Checkpoints", "keep", 0, "checkpoints.keep must be at least 1"),
        ("Views", "crops", 2, "views.crops must be one of 1, 3; received 2"),
    ],
)
def test_a_wrong_value_is_named(section, field, value, message):
    with pytest.raises(ConfigError, match=message):
        getattr(schema, section)(**{field: value})


def test_every_field_has_help():
    sections = [getattr(schema, f.type.__name__) for f in _section_fields()]
    for section in [schema.Experiment, *sections]:
        for field in dataclasses.fields(section):
            assert dataclasses.is_dataclass(field.type) or field.metadata["help"]


def _section_fields():
    fields = dataclasses.fields(schema.Experiment)
    return [field for field in fields if dataclasses.is_dataclass(field.type)]
