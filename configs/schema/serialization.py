"""Experiments as JSON text, the form in which a run's folder keeps its own."""

import dataclasses
import json
import typing

from configs.command.errors import ConfigError
from configs.schema.experiment import Experiment


def to_json(config):
    """`config` as JSON text; `from_json` gives it back."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_json(text):
    """The `Experiment` that `to_json` wrote.

    Raises:
        ConfigError: a field is unknown, missing or not valid.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"The config must be JSON; {error}.") from None
    return _from_dict(Experiment, values, "")


def _from_dict(section, values, prefix):
    kinds = typing.get_type_hints(section)
    names = {field.name for field in dataclasses.fields(section)}
    if not isinstance(values, dict) or set(values) != names:
        raise ConfigError(
            f"The section {prefix or 'at the top'} of the config must hold exactly "
            f"{', '.join(sorted(names))}; received "
            f"{', '.join(sorted(values)) if isinstance(values, dict) else values!r}. "
            "A run that another version began needs that version."
        )
    return section(
        **{
            name: _from_dict(kinds[name], value, f"{name}.")
            if dataclasses.is_dataclass(kinds[name])
            else tuple(value)
            if isinstance(value, list)
            else value
            for name, value in values.items()
        }
    )
