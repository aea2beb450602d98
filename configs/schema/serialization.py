"""Experiments as text: JSON, as a run's folder keeps its own, and Python."""

import dataclasses
import functools
import json
import logging
import typing

from configs.command.errors import ConfigError
from configs.schema.experiment import Experiment

LONGEST_INTEGER = 20  # Digits; no option needs as many.
# Values that former versions wrote, and what they are called now.
RENAMED = {"model.recompute": {False: "none", True: "block"}}


def to_json(config):
    """`config` as JSON text; `from_json` gives it back."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def to_python(config):
    """`config` as a Python file that --config takes, every option on a line.

    It is ASCII, so no terminal or file can change what it says.
    """
    names = [
        type(getattr(config, field.name)).__name__
        for field in dataclasses.fields(config)
        if dataclasses.is_dataclass(field.type)
    ]
    imported = "".join(f"    {name},\n" for name in sorted(["Experiment", *names]))
    return (
        f'"""An experiment with every option."""\n\n'
        f"from configs.schema import (\n{imported})\n\n\n"
        f'def config():\n    """The experiment."""\n'
        f"    return {_call(config, 4)}\n"
    )


def _literal(value):
    """A value in Python, strings in double quotes unless they hold some."""
    text = ascii(value)
    quoted = isinstance(value, str) and text.startswith("'") and '"' not in text
    return f'"{text[1:-1]}"' if quoted else text


def _call(section, indent):
    """A section as the call that makes it, its closing bracket so far to the right."""
    lines = []
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        nested = dataclasses.is_dataclass(value)
        text = _call(value, indent + 4) if nested else _literal(value)
        lines.append(f"{' ' * (indent + 4)}{field.name}={text},\n")
    return f"{type(section).__name__}(\n{''.join(lines)}{' ' * indent})"


def from_json(text):
    """The `Experiment` that `to_json` wrote.

    An option may be missing where a run may be continued at another value, or where
    its default is what was done before there was the option: a version that did not
    have it yet wrote the text. It takes its default, and the log says so.

    Raises:
        ConfigError: the text is damaged, or a field is unknown, missing or not valid.
    """
    try:
        values = json.loads(text, object_pairs_hook=_unique, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"The config must be JSON; {error}.") from None
    return _from_dict(Experiment, values, "")


def _unique(pairs):
    """A dict of names and values; a name that comes twice is an error."""
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return values


def _integer(digits):
    """An integer, of a size that numbers of a computer can have."""
    if len(digits) > LONGEST_INTEGER:
        raise ValueError(f"the number {digits[:LONGEST_INTEGER]}… is too long")
    return int(digits)


def _from_dict(section, values, prefix):
    kinds = typing.get_type_hints(section)
    fields = {field.name: field for field in dataclasses.fields(section)}
    missing = fields.keys() - values if isinstance(values, dict) else set(fields)
    newer = {n for n in missing if _may_be_missing(fields[n].metadata)}
    if not isinstance(values, dict) or missing - newer or values.keys() - fields:
        raise ConfigError(
            f"The section {prefix or 'at the top'} of the config must hold exactly "
            f"{', '.join(sorted(fields))}; received "
            f"{', '.join(sorted(values)) if isinstance(values, dict) else values!r}. "
            "A run that another version began needs that version."
        )
    for name in sorted(newer):
        _note_default(f"{prefix}{name}", fields[name].default)
    return section(
        **{
            name: _from_dict(kinds[name], value, f"{name}.")
            if dataclasses.is_dataclass(kinds[name])
            else tuple(value)
            if isinstance(value, list)
            else _now_called(f"{prefix}{name}", value)
            for name, value in values.items()
        }
    )


def _may_be_missing(metadata):
    return bool(metadata.get("may_change") or metadata.get("was_default"))


def _now_called(name, value):
    """An option's value; what was a bool in a former version may have names now."""
    return RENAMED.get(name, {}).get(value, value) if isinstance(value, bool) else value


@functools.cache  # Once, however often a config is read.
def _note_default(name, value):
    logging.getLogger("absl").warning(
        "The run's config, of another version, says nothing of %s: it is %s.",
        name,
        "empty" if value == "" else value,
    )
