"""Reads the file of an experiment, Python or JSON; what is wrong in it is one line."""

import contextlib
import dataclasses
import importlib.util
import sys
import traceback
from pathlib import Path

from configs.command.errors import ConfigError
from configs.schema.experiment import Experiment
from configs.schema.serialization import from_json

CONFIGS = Path(__file__).parents[1]


def experiment_of(path):
    """The experiment in a file.

    Args:
        path: the file, `Path`: JSON as a run's config.json holds it, or Python with a
            function config().

    Returns:
        `Experiment`.

    Raises:
        ConfigError: it cannot be read, fails or holds something else; names the file.
    """
    return (_from_json if path.suffix == ".json" else _from_python)(path)


def _from_json(path):
    """The experiment in a JSON file.

    Which graphs to trust is the user's to say, not that of a file that may have come
    with a run from elsewhere.
    """
    try:
        config = from_json(path.read_bytes().decode())
    except (OSError, ValueError) as error:  # ConfigError and Unicode's errors, too.
        raise ConfigError(
            f"{path} must hold an experiment as a run's config.json does; {error}"
        ) from None
    model = dataclasses.replace(config.model, trust_graph=False)
    return dataclasses.replace(config, model=model)


def _from_python(path):
    """The experiment that a Python file's function config() returns.

    The file may import its neighbours. A neighbour called like something that is
    installed, or like a package of this project, does not take its place.

    Args:
        path: the file, `Path`.

    Returns:
        `Experiment`.

    Raises:
        ConfigError: the file fails, or returns something else; names file and line.
    """
    with _importable(str(path.resolve().parent)):
        try:
            function = getattr(_run(path), "config", None)
            config = function() if callable(function) else None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # Whatever it is, SystemExit too, it is theirs.
            raise ConfigError(_in_one_line(error, path)) from error
    if not callable(function):
        raise ConfigError(f"{path} must define a function config(); it has none.")
    if not isinstance(config, Experiment):
        raise ConfigError(
            f"{path} line {_line_of(function)}: config() must return a "
            f"configs.schema.Experiment; received a {type(config).__name__}."
        )
    return config


@contextlib.contextmanager
def _importable(folder):
    """Puts a folder at the end of Python's path, so that it hides nothing."""
    before = list(sys.path)
    if folder not in sys.path:
        sys.path.append(folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before


def _run(path):
    """The module of a file; its name cannot be that of another module."""
    name = f"config file {path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def _line_of(function):
    """The number of a function's first line; ? for what has none."""
    code = getattr(function, "__code__", None)
    return code.co_firstlineno if code else "?"


def _in_one_line(error, path):
    """File, line and message of an error in a user's file or in its neighbours."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{error.filename} line {error.lineno}: {_message(error, error.msg)}"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [f for f in frames if _is_theirs(f.filename, path)]
    place = f"{theirs[-1].filename} line {theirs[-1].lineno}" if theirs else str(path)
    return f"{place}: {_message(error, error)}"


def _message(error, text):
    try:
        text = " ".join(str(text).split())
    except KeyboardInterrupt:
        raise
    except BaseException:  # SystemExit, too.
        text = "its message fails, too"
    if isinstance(error, ConfigError):
        return text
    if isinstance(error, SystemExit):
        return f"it ends the process (SystemExit: {text}); it must return an experiment"
    return f"{type(error).__name__}: {text}"


def _is_theirs(name, path):
    """Whether a file is the given one or lies beside it, and is not of a library."""
    file = Path(name).resolve()
    if file == path.resolve():
        return True
    libraries = (CONFIGS / "command", CONFIGS / "schema", Path(sys.prefix))
    beside = file.is_relative_to(path.resolve().parent) and file.is_file()
    return beside and not any(file.is_relative_to(library) for library in libraries)
