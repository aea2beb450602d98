"""One command-line flag for each option of the schema, and experiments by name.

`define()` derives the flags; `load()` takes the experiment that `--config` names and
replaces the options given on the command line; `load_wanted()` does without `--config`
where a run has an experiment.
"""

import dataclasses
import re
from pathlib import Path

from absl import flags, logging

from configs.command.config_file import experiment_of
from configs.command.errors import ConfigError
from configs.command.streams import produce
from configs.schema.experiment import Experiment
from configs.schema.init_from import InitFrom
from configs.schema.model import ARCHITECTURE
from configs.schema.optimizer import USUAL_WARMUP
from configs.schema.paths import expand_path
from configs.schema.section import options
from configs.schema.serialization import to_python
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


class PathParser(flags.ArgumentParser):
    """Reads a flag's text as a path, with ~ as the home folder."""

    syntactic_help = "a path"

    def __init__(self, name):
        """Args: the flag's name, for messages."""
        super().__init__()
        self.name = name

    def parse(self, argument):
        """The path."""
        return expand_path(argument, f"--{self.name}")

    def flag_type(self):
        """The type in words, for --help."""
        return "a path"


class FieldSerializer(flags.ArgumentSerializer):
    """Writes a value as the text that reads back as it."""

    def serialize(self, value):
        """The text of a value."""
        if isinstance(value, tuple):
            return ",".join(map(str, value))
        return str(value)


def define_path(name, text, *, values=flags.FLAGS, required=False):
    """Defines a flag that takes a path, in which ~ is the home folder.

    Args:
        name: of the flag.
        text: its help.
        values: the flags that it joins.
        required: whether it must be given.
    """
    flags.DEFINE(
        PathParser(name),
        name,
        None,
        text,
        values,
        serializer=flags.ArgumentSerializer(),
        required=required,
    )


class StepParser(flags.ArgumentParser):
    """Reads which checkpoint of a run is meant: a step, best or last."""

    syntactic_help = "a step, best or last"

    def parse(self, argument):
        """An int, "best", or None for the last."""
        if argument in ("best", "last", None):
            return argument if argument == "best" else None
        if not re.fullmatch("[0-9]{1,18}", str(argument)):
            raise ValueError(f"must be {self.syntactic_help}; received {argument!r}.")
        return int(argument)

    def flag_type(self):
        """The type in words, for --help."""
        return self.syntactic_help


def define_step(values=flags.FLAGS):
    """Defines --step, which checkpoint of a run is meant."""
    flags.DEFINE(
        StepParser(),
        "step",
        None,
        "Checkpoint of the run: a step; best, that of the best validation on held-out "
        "videos (data.validation=split or groups); last, as without the flag.",
        values,
        serializer=flags.ArgumentSerializer(),
    )


def define(values=flags.FLAGS, *, config=True):
    """Defines --config, --dump_config, --workdir and a flag for each option.

    Args:
        values: the flags that they join.
        config: whether there are --config and --dump_config; a program that takes the
            config of a run, or of a model, has neither.
    """
    if config:
        define_path(
            "config",
            f"Experiment: one of {', '.join(experiments())}, or the path of a Python "
            "file with a function config(), or of the config.json of a run. Without "
            "it, that of the run in --workdir, else of the run in --init_from.",
            values=values,
        )
        flags.DEFINE_bool(
            "dump_config",
            False,
            "Print the experiment with every option, as a Python file that --config "
            "takes, and end.",
            flag_values=values,
        )
    define_path("workdir", "Folder of the run: everything it writes.", values=values)
    for name, kind, field in options(Experiment):
        is_path = field.metadata["is_path"]
        flags.DEFINE(
            PathParser(name) if is_path else FieldParser(kind),
            name,
            None,
            _help(field),
            values,
            serializer=FieldSerializer(),
        )


def require_workdir(values=flags.FLAGS):
    """Requires --workdir, unless the experiment is only to be printed.

    Raises:
        ConfigError: it is not given.
    """
    if not (values["workdir"].value or values.dump_config):
        raise ConfigError("--workdir must be given: the folder of the run.")


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

    What its length decides is filled in; a warm-up that is shortened is logged. With
    --dump_config it is printed, and the program ends.

    Args:
        name: an experiment of `configs/`, or the path of a Python file or of the
            config.json of a run.
        values: the parsed flags.

    Raises:
        ConfigError: there is no such experiment, its file fails, or an option is not
            valid.
        StorageError: it is to be printed, and cannot be.
        SystemExit: it has been printed.
    """
    return _complete(override(experiment_of(_file_of(name)), values), values)


def load_wanted(values=flags.FLAGS):
    """The experiment of --config; without it, that of the run that is meant.

    A run goes on in --workdir with its own. Where none has begun there, a new run takes
    that of the run in --init_from, but for where that one's weights came from.

    Args:
        values: the parsed flags.

    Returns:
        (`Experiment`, as `load` returns it; what names it).

    Raises:
        ConfigError: there is none, or see `load`.
    """
    if values["config"].value:
        return load(values["config"].value, values), values["config"].value
    workdir, init_from = values["workdir"].value, values["init_from"].value
    own = workdir and Path(workdir) / "config.json"
    if own and own.is_file():
        return load(str(own), values), str(own)
    if not init_from:
        missing = f"; {own} is not there" if own else ""
        raise ConfigError(f"--config must be given where no run has begun{missing}.")
    path = InitFrom.parse(init_from).config_path
    config = override(experiment_of(path).for_another_run(), values)
    return _complete(config, values), str(path)


def _complete(config, values):
    """Fills in what the length of a run decides; prints it where that is wanted.

    What the handle is to say of the backbone is left open, but for given flags.
    """
    given = {name for name in ARCHITECTURE if values[f"model.{name}"].present}
    config = dataclasses.replace(config, model=config.model.left_to_handle(given))
    config.check_replicas(config.runtime.replicas or 1)  # Who loads it trains.
    full = config.completed()
    warmup = full.optimizer.warmup_epochs
    if config.optimizer.warmup_epochs is None and warmup < USUAL_WARMUP:
        logging.info(
            "optimizer.warmup_epochs is %g: the run is not longer than the usual %g.",
            warmup,
            USUAL_WARMUP,
        )
    if values.dump_config:
        produce(*to_python(config).splitlines())
        raise SystemExit(0)
    return full


def override(config, values=flags.FLAGS):
    """`config` with every option that was given on the command line replaced."""
    return _override(config, values, "")


def _file_of(name):
    """The file of an experiment that is named, or given as a path."""
    is_path = name.endswith((".py", ".json"))
    path = Path(name) if is_path else EXPERIMENTS / f"{name}.py"
    if not path.is_file() or not is_path and name not in experiments():
        raise ConfigError(
            f"--config must be one of {', '.join(experiments())} or the path of a "
            f"Python file or of a run's config.json; received {name!r}."
        )
    return path


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
