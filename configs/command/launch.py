"""How every entry point starts and ends: flags, logging, errors, exit codes."""

import contextlib
import logging
import os
import shlex
import sys
import traceback
from pathlib import Path

from absl import app, flags
from absl import logging as absl_logging

from configs.command.errors import ConfigError, Interrupted, RunError
from configs.command.flagfiles import with_flagfiles
from configs.command.help import define_help
from configs.command.streams import protect
from configs.command.suggestions import meant
from configs.command.tensorflow_import import import_tensorflow
from configs.command.text import printable, say
from configs.schema.paths import expand_path

REPOSITORY = Path(__file__).parents[2]
DASHES = "-–—−"  # also those that a text processor makes of --

flags.disclaim_key_flags()


class Formatter(logging.Formatter):
    """The time and a message in one line, with nothing that a terminal would obey."""

    def __init__(self, time="%H:%M:%S"):
        super().__init__("%(asctime)s %(message)s", time)

    def formatMessage(self, record):
        """The line; the message of a library may have several."""
        ours = _is_ours(record)
        record.message = printable(record.message, keep="" if ours else "\n\t")
        return super().formatMessage(record)

    def formatException(self, ei):
        """A traceback, whose lines stay lines."""
        return printable(super().formatException(ei), keep="\n\t")


def parse(*, positional=True):
    """Parses the command line; answers --help and mistakes in flags at once.

    Args:
        positional: whether the program takes arguments that are not flags.

    Returns:
        These arguments.
    """
    protect()
    flags.FLAGS.set_default("verbosity", absl_logging.INFO)
    define_help()
    return _parse_flags(sys.argv, positional, _without_hub_flags)[1:]


def start(plan, *, positional=True):
    """Does what need not wait for TensorFlow, whose import takes seconds; imports it.

    An entry point calls this before it imports what imports TensorFlow: --help, every
    mistake that can be found without it, and the line that says what is started come
    first. The flags of TensorFlow Hub exist only after that: `run` parses them.

    Args:
        plan: takes the arguments that are not flags; they are paths. It raises what
            `main` of `run` may raise, and logs what is started.
        positional: whether there may be any.

    Returns:
        What the plan returns.
    """
    arguments = parse(positional=positional)
    _prepare_log()
    planned = _guarded(plan, arguments)
    _guarded(lambda _: import_tensorflow(), [])
    return planned


def run(main, *, positional=True):
    """Parses the flags, calls `main(arguments)` and ends the process.

    Errors end in one line, and the process with the exit code of the error (see
    `configs.command.errors`). Nothing that hangs in a thread keeps the process, and no
    standard stream that is closed or full.

    Args:
        main: takes the arguments that are not flags; they are paths.
        positional: whether there may be any.
    """
    protect()
    flags.FLAGS.set_default("verbosity", absl_logging.INFO)
    _prepare_log()
    app.run(
        lambda argv: _ended(main, argv[1:]),
        flags_parser=lambda argv: _parse_flags(argv, positional),
    )


class LogFile(logging.FileHandler):
    """A file that takes what is logged; a disk that is full costs lines, not a run."""

    def handleError(self, record):
        """Does nothing: the terminal has the line."""


def log_to(path):
    """Appends what is logged to a file, too, until the process ends.

    Args:
        path: of the file; each start begins with an empty line and its command.
    """
    try:
        handler = LogFile(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        absl_logging.warning("%s cannot be written: %s.", path, error.strerror)
        return
    handler.setFormatter(Formatter("%Y-%m-%d %H:%M:%S"))
    handler.addFilter(_is_worth_reading)
    with contextlib.suppress(OSError):
        handler.stream.write(f"\n{printable(shlex.join(sys.argv))}\n")
    logging.getLogger().addHandler(handler)


def _prepare_log():
    """Makes the log's lines ours: one for each message, and none that nobody reads."""
    absl_logging.use_absl_handler()
    handler = absl_logging.get_absl_handler()
    handler.setFormatter(Formatter())
    handler.addFilter(_is_worth_reading)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def _is_ours(record):
    """Whether a log record is a line of this project itself."""
    ours = Path(record.pathname).is_relative_to(REPOSITORY)
    return ours and ".venv" not in record.pathname


def _is_worth_reading(record):
    """Whether a log record is a warning, or a line of this project itself."""
    return record.levelno >= logging.WARNING or _is_ours(record)


def _ended(main, arguments):
    _guarded(main, arguments)
    _end(0)


def _guarded(function, arguments):
    # Each branch ends the process while it still has the error: freeing the error would
    # free its iterators, which waits for their decoders.
    try:
        return function([expand_path(argument, "A path") for argument in arguments])
    except RunError as error:
        absl_logging.error("%s: %s", type(error).__name__, error)
        _end(error.exit_code)
    except KeyboardInterrupt:
        _end(Interrupted.exit_code)
    except SystemExit as end:
        _end(end.code)
    except Exception:
        sys.stderr.write(printable(traceback.format_exc(), keep="\n\t"))
        _end(1)


def _end(code):
    """Ends the process; Python would wait for threads, and one may hang for ever."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _parse_flags(arguments, positional, chosen=list):
    try:
        arguments = [arguments[0], *with_flagfiles(arguments[1:])]
        rest = flags.FLAGS(chosen(arguments))
        if not positional and rest[1:]:
            raise flags.Error(_no_such_argument(rest[1]))
        return rest
    except (flags.Error, UnicodeError) as error:
        # A required flag is missing where it was given without its dashes.
        bare = [a for a in arguments[1:] if a.partition("=")[0] in flags.FLAGS]
        mistaken = bare and not positional
        reason = _no_such_argument(bare[0]) if mistaken else _explained(error)
        say(f"ConfigError: {reason} See --help.", file=sys.stderr)
        sys.exit(ConfigError.exit_code)


def _no_such_argument(argument):
    """What is said of an argument that is not a flag, where all must be flags."""
    name, _, value = argument.lstrip(DASHES).partition("=")
    advice = _did_you_mean(name, value)
    return f"Every option is a flag, --name=value; received {argument!r}.{advice}"


def _explained(error):
    """An error of the flags; of one that is not known, which was meant."""
    if not isinstance(error, flags.UnrecognizedFlagError):
        return error
    advice = _did_you_mean(error.flagname)
    return f"Unknown command line flag {error.flagname!r}.{advice}"


def _did_you_mean(name, value=""):
    near = [
        f"--{flag}={value or '…'}"
        if value or not flags.FLAGS[flag].boolean
        else f"--{flag}"
        for flag in meant(name, flags.FLAGS)
    ]
    return f" Did you mean {' or '.join(near)}?" if near else ""


def _without_hub_flags(arguments):
    """The command line without the flags of TensorFlow Hub and their values."""
    rest, value_follows = [], False
    for argument in arguments:
        if argument.startswith("-") and argument.lstrip("-").startswith("tfhub_"):
            value_follows = "=" not in argument
            continue
        if not value_follows or argument.startswith("-"):
            rest.append(argument)
        value_follows = False
    return rest
