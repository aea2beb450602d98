"""One command-line flag for each option of the schema, and experiments by name.

`define()` derives the flags; `load()` takes the experiment that `--config` names and
replaces the options given on the command line.
"""

import dataclasses
import importlib.util
from pathlib import Path

from absl import flags

from configs.command.errors import ConfigError
from configs.schema.experiment import Experiment
from configs.schema.section import options
from configs.schema.types import describe, parse

EXPERIMENTS = Path(__file__).parents[1]

# --help of an entry point lists the flags that this module defines for it.
flags.disclaim_key_flags()


class FieldParser(flags.ArgumentParser):
    """Reads a flag's text as a value of the field's type."""

    def __init__(self, kind):
        """Args: the type, one of those that `configs.schema.types` knows."""
        super().__init__()
        self.kind = kind
        self.syntactic_help = describe(kind)

    def parse(self, argument):
        """The value that `argument` spells; a value that is no text stays as it is."""
        if not isinstance(argument, str):
            return argument
        try:
            return parse(argument, self.kind)
        except (ValueError, KeyError):
            raise ValueError(
                f"must be {describe(self.kind)}; received {argument!r}."
            ) from None

    def flag_type(self):
        """The type in words, for --help."""
        return describe(self.kind)


class FieldSerializer(flags.ArgumentSerializer):
    """Writes a value as the text that reads back as it."""

    def serialize(self, value):
        """The text of a value."""
        if isinstance(value, tuple):
            return ",".join(map(str, value))
        return str(value)


def define(values=flags.FLAGS):
    """Defines --config, --workdir and one flag for each option of `Experiment`."""
    flags.DEFINE_string(
        "config",
        None,
        f"Experiment: one of {', '.join(experiments())}, or the path of a Python "
        "file with a function config().",
        flag_values=values,
    )
    flags.DEFINE_string(
        "workdir", None, "Folder of the run: everything it writes.", flag_values=values
    )
    for name, kind, field in options(Experiment):
        flags.DEFINE(
            FieldParser(kind),
            name,
            None,
            _help(field),
            values,
            serializer=FieldSerializer(),
        )


def _help(field):
    """Everything that is to be known about an option, as `--help` shows it."""
    default = FieldSerializer().serialize(field.default) or "empty"
    rule, parts = str(field.metadata["bounds"]), [field.metadata["help"]]
    if rule:
        parts.append(f"Must be {rule}.")
    parts.append(f"Unless the experiment says otherwise: {default}.")
    if field.metadata["may_change"]:
        parts.append("A run may be continued with another value.")
    return " ".join(parts)


def experiments():
    """The names of the experiments in `configs/`, sorted."""
    return sorted(
        path.stem for path in EXPERIMENTS.glob("*.py") if path.stem != "__init__"
    )


def load(name, values=flags.FLAGS):
    """The experiment called `name` with the command line's options replaced.

    Args:
        name: an experiment of `configs/`, or the path of a Python file.
        values: the parsed flags.

    Raises:
        ConfigError: there is no such experiment, or an option is not valid.
    """
    return override(_import_experiment(name).config(), values)


def override(config, values=flags.FLAGS):
    """`config` with every option that was given on the command line replaced."""
    return _override(config, values, "")


def _import_experiment(name):
    is_path = name.endswith(".py")
    path = Path(name) if is_path else EXPERIMENTS / f"{name}.py"
    if not path.is_file() or not is_path and name not in experiments():
        raise ConfigError(
            f"--config must be one of {', '.join(experiments())} or the path of a "
            f"Python file; received {name!r}."
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _override(config, values, prefix):
    changes = {}
    for field in dataclasses.fields(config):
        name, value = prefix + field.name, getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            changes[field.name] = _override(value, values, f"{name}.")
        elif values[name].present:
            changes[field.name] = values[name].value
    # All of a section at once: no intermediate combination is ever validated.
    return dataclasses.replace(config, **changes)
