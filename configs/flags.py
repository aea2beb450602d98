"""One command-line flag per schema field, experiments by name, configs as JSON.

`define()` derives the flags; `load()` takes the experiment that `--config` names and
replaces the fields given on the command line; `run()` starts an entry point with
one-line errors, ends the process and gives it the exit codes of `configs.errors`.
"""

import contextlib
import dataclasses
import importlib.util
import json
import logging
import os
import sys
import traceback
import typing
from pathlib import Path

from absl import app, flags
from absl import logging as absl_logging

from configs.errors import ConfigError, RunError
from configs.schema import Data, Experiment, Model
from configs.types import describe, parse

DIRECTORY = Path(__file__).parent

# --help of an entry point lists the flags that this module defines for it.
flags.disclaim_key_flags()
NOT_EXPERIMENTS = {
    "__init__",
    "calendar",
    "errors",
    "flags",
    "schema",
    "section",
    "types",
}


class FieldParser(flags.ArgumentParser):
    """Reads a flag's text as a value of the field's type."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.syntactic_help = describe(kind)

    def parse(self, argument):
        if not isinstance(argument, str):
            return argument
        try:
            return parse(argument, self.kind)
        except (ValueError, KeyError):
            raise ValueError(
                f"must be {describe(self.kind)}; received {argument!r}."
            ) from None

    def flag_type(self):
        return describe(self.kind)


class FieldSerializer(flags.ArgumentSerializer):
    """Writes a value as the text that reads back as it."""

    def serialize(self, value):
        if isinstance(value, tuple):
            return ",".join(map(str, value))
        return str(value)


def define(values=flags.FLAGS):
    """Defines --config, --workdir and one flag for each field of `Experiment`."""
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
    _define_fields(Experiment, "", values)


def experiments():
    """The names of the experiments in this folder, sorted."""
    names = {path.stem for path in DIRECTORY.glob("*.py")}
    return sorted(names - NOT_EXPERIMENTS)


def load(name, values=flags.FLAGS):
    """The experiment called `name` with the command line's fields replaced.

    Args:
      name: an experiment of this folder, or the path of a Python file.
      values: the parsed flags.

    Raises:
      ConfigError: there is no such experiment, or a field is not valid.
    """
    return override(_import_experiment(name).config(), values)


def override(config, values=flags.FLAGS):
    """`config` with every field that was given on the command line replaced."""
    return _override(config, values, "")


def from_handle(handle, values=flags.FLAGS):
    """An experiment for a classifier that no run of ours has trained.

    Clips are of the shape that the SavedModel was written for; everything else is the
    schema's default, unless the command line says otherwise.

    Args:
      handle: a `model.load_handle`, or None for an opaque SavedModel.
      values: the parsed flags.
    """
    data = Data()
    if handle is not None:
        frames, size, _ = handle.description["clip"]
        data = dataclasses.replace(data, frames=frames, size=size)
    model = Model(handle=values["model.handle"].value)
    return override(Experiment(model=model, data=data), values)


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


def run(main):
    """Parses the flags, calls `main(arguments)` and ends the process.

    Errors end in one line. Nothing that hangs in a thread keeps the process.
    """
    flags.FLAGS.set_default("verbosity", absl_logging.INFO)
    handler = absl_logging.get_absl_handler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    handler.addFilter(_is_worth_reading)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    app.run(lambda argv: _guarded(main, argv[1:]), flags_parser=_parse_flags)


def _is_worth_reading(record):
    """Drops what libraries tell of themselves; warnings and our own lines stay."""
    ours = Path(record.pathname).is_relative_to(DIRECTORY.parent)
    return record.levelno >= logging.WARNING or ours and ".venv" not in record.pathname


def _guarded(main, arguments):
    # Each ends before it lets go of the error, which holds iterators: to free one is to
    # wait for its decoders.
    try:
        main(arguments)
    except RunError as error:
        absl_logging.error("%s: %s", type(error).__name__, error)
        _end(error.exit_code)
    except KeyboardInterrupt:
        _end(130)
    except Exception:
        with contextlib.suppress(OSError):  # Standard error may be on a full disk.
            traceback.print_exc()
        _end(1)
    _end(0)


def _end(code):
    """Ends the process; Python would wait for threads, and one may hang for ever."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


def _parse_flags(arguments):
    try:
        return flags.FLAGS(arguments)
    except flags.Error as error:
        print(f"ConfigError: {error} See --help.", file=sys.stderr)
        sys.exit(ConfigError.exit_code)


def _define_fields(section, prefix, values):
    kinds = typing.get_type_hints(section)
    for field in dataclasses.fields(section):
        kind = kinds[field.name]
        if dataclasses.is_dataclass(kind):
            _define_fields(kind, f"{field.name}.", values)
        else:
            text = f"{field.metadata['help']} Unless the experiment says otherwise: "
            flags.DEFINE(
                FieldParser(kind),
                prefix + field.name,
                None,
                text + f"{FieldSerializer().serialize(field.default) or 'empty'}.",
                values,
                serializer=FieldSerializer(),
            )


def _import_experiment(name):
    path = Path(name) if name.endswith(".py") else DIRECTORY / f"{name}.py"
    if not path.is_file() or name in NOT_EXPERIMENTS:
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


def _from_dict(section, values, prefix):
    kinds = typing.get_type_hints(section)
    names = {field.name for field in dataclasses.fields(section)}
    if not isinstance(values, dict) or set(values) != names:
        raise ConfigError(
            f"The section {prefix or 'at the top'} of the config must hold exactly "
            f"{', '.join(sorted(names))}; received "
            f"{', '.join(sorted(values)) if isinstance(values, dict) else values!r}."
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
