"""How every entry point starts and ends: flags, logging, errors, exit codes."""

import logging
import os
import sys
import traceback
from pathlib import Path

from absl import app, flags
from absl import logging as absl_logging

from configs.command.errors import ConfigError, Interrupted, RunError
from configs.command.streams import protect

REPOSITORY = Path(__file__).parents[2]

flags.disclaim_key_flags()


def parse():
    """Parses the command line; answers --help and mistakes in flags at once.

    An entry point calls this before it imports TensorFlow, which takes seconds. The
    flags of TensorFlow Hub exist only after that: `run` parses them.
    """
    protect()
    app.define_help_flags()
    _parse_flags([a for a in sys.argv if not a.lstrip("-").startswith("tfhub_")])


def run(main):
    """Parses the flags, calls `main(arguments)` and ends the process.

    Errors end in one line, and the process with the exit code of the error (see
    `configs.command.errors`). Nothing that hangs in a thread keeps the process, and no
    standard stream that is closed or full.
    """
    protect()
    flags.FLAGS.set_default("verbosity", absl_logging.INFO)
    handler = absl_logging.get_absl_handler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    handler.addFilter(_is_worth_reading)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    app.run(lambda argv: _guarded(main, argv[1:]), flags_parser=_parse_flags)


def _is_worth_reading(record):
    """Whether a log record is a warning, or a line of this project itself."""
    ours = Path(record.pathname).is_relative_to(REPOSITORY)
    return record.levelno >= logging.WARNING or ours and ".venv" not in record.pathname


def _guarded(main, arguments):
    # Each branch ends the process while it still has the error: freeing the error would
    # free its iterators, which waits for their decoders.
    try:
        main(arguments)
    except RunError as error:
        absl_logging.error("%s: %s", type(error).__name__, error)
        _end(error.exit_code)
    except KeyboardInterrupt:
        _end(Interrupted.exit_code)
    except SystemExit as end:
        _end(end.code)
    except Exception:
        traceback.print_exc()
        _end(1)
    _end(0)


def _end(code):
    """Ends the process; Python would wait for threads, and one may hang for ever."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _parse_flags(arguments):
    try:
        return flags.FLAGS(arguments)
    except flags.Error as error:
        print(f"ConfigError: {error} See --help.", file=sys.stderr)
        sys.exit(ConfigError.exit_code)
