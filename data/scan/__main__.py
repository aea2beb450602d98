"""Tells what every video of a data set really holds, and which are bad.

    python -m data.scan ROOT
    python -m data.scan VIDEOS --source=folder
    python -m data.scan --workdir=RUN

Each file is decoded whole in a process of its own, so that one which crashes or hangs
the decoder costs a process and a line of output, never a run. Files that have not
changed since the last scan are not decoded again (see `data.scan.cache`). The exit code
is 3 if a larger fraction of the videos is bad than allowed.
"""

import argparse
import collections
import sys

from configs.command.errors import ConfigError, DataError, RunError, StorageError
from configs.command.streams import produce, protect
from configs.command.text import say
from configs.schema import Data
from configs.schema.data import LISTS
from configs.schema.paths import expand_path
from configs.schema.serialization import from_json
from data.sources import SOURCES, scan_source
from storage.run_folder import RunFolder


def describe(names, videos):
    """Lines of a table of what the videos hold, then each that is unusual or bad.

    Args:
        names: of the videos.
        videos: list of `Video`.

    Yields:
        Lines of text.
    """
    good = [video for video in videos if not video.reason]
    counts = sorted(video.frames for video in good) or [0]
    rows = {
        "videos": len(videos),
        "bad": len(videos) - len(good),
        "frames, least": counts[0],
        "frames, median": counts[len(counts) // 2],
        "frames, most": counts[-1],
        "header counts wrong": sum(v.frames != v.header_frames for v in good),
        "seek not exact": sum(not v.seek_exact for v in good),
        "read by PyAV": sum(v.decoder == "pyav" for v in good),
    }
    rows |= _most_common(f"size {v.width} x {v.height}" for v in good)
    rows |= _most_common(f"codec {v.codec}" for v in good)
    rows |= _most_common(f"frames per second {v.fps:.4g}" for v in good)
    yield from (f"{title:<32}{value:>8}" for title, value in rows.items())
    for name, video in zip(names, videos, strict=True):
        if video.note:
            yield f"note: {name!r} {video.note}"
    for name, video in zip(names, videos, strict=True):
        if video.reason:
            yield f"bad: {name!r} {video.reason}"


def _most_common(kinds, shown=5):
    counts = collections.Counter(kinds).most_common()
    others = sum(count for _, count in counts[shown:])
    title = counts[0][0].split()[0] if counts else ""
    return dict(counts[:shown]) | ({f"{title}, others": others} if others else {})


def command_line():
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m data.scan",
        description="Decode every listed video once and tell which are bad.",
    )
    parser.add_argument(
        "root", nargs="?", default="", help="the data set's directory, as data.root"
    )
    parser.add_argument(
        "--workdir", default="", help="a run, whose data set is scanned"
    )
    parser.add_argument(
        "--source",
        choices=SOURCES,
        default=Data.source,
        help="kind of data set, as data.source (default: %(default)s)",
    )
    parser.add_argument("--train_list", default="", help="as data.train_list")
    parser.add_argument("--validation_list", default="", help="as data.validation_list")
    parser.add_argument("--test_list", default="", help="as data.test_list")
    parser.add_argument("--class_list", default="", help="as data.class_list")
    parser.add_argument(
        "--max_bad_fraction",
        type=float,
        default=Data.max_bad_fraction,
        help="fraction of bad videos above which the exit code is 3 (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=0,
        help="how many videos are decoded at once (default: one for each core)",
    )
    return parser


def data_of(options):
    """The data set that the command line names.

    Args:
        options: what the parser made of it.

    Returns:
        `configs.schema.Data`.

    Raises:
        ConfigError: it names none, or a run that is none.
    """
    if options.workdir:
        folder = RunFolder(expand_path(options.workdir, "--workdir"))
        folder.check_files()
        if not (folder / "config.json").exists():
            raise ConfigError(f"--workdir must be a run; {folder.path} holds none.")
        return from_json(folder.saved_config()).data
    lists = {name: expand_path(getattr(options, name), f"--{name}") for name in LISTS}
    root = expand_path(options.root, "ROOT")
    # Nothing is mirrored in a scan, whatever the classes allow.
    return Data(source=options.source, root=root, flip=False, **lists)


def main(arguments=None):
    """Scans what the lists name and prints a table.

    Args:
        arguments: of the command line; None takes the process's own.

    Returns:
        The exit code.
    """
    options = command_line().parse_args(arguments)
    try:
        scanned = scan_source(data_of(options), processes=options.processes)
    except RunError as error:
        say(error, file=sys.stderr)
        return error.exit_code
    names, videos = zip(*scanned, strict=True)
    bad = sum(bool(video.reason) for video in videos)
    code = DataError.exit_code if bad > options.max_bad_fraction * len(videos) else 0
    try:
        produce(*describe(names, videos))
    except StorageError as error:
        say(error, file=sys.stderr)
        code = code or error.exit_code
    except SystemExit:  # The reader has left.
        pass
    return code


if __name__ == "__main__":
    protect()
    sys.exit(main())
