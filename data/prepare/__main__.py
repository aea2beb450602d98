"""Codes a slow or odd collection of videos anew, once, so that training reads it fast.

    python -m data.prepare VIDEOS PREPARED
    python -m data.prepare UCF101 UCF101_256 --short_side=256

PREPARED gets every video of VIDEOS in the same folder and under the same name, with the
ending .mp4: H.264 in small frames, of which every few stand for themselves, upright,
with square pixels, without sound. They are the frames that training reads, one for one.
split.csv, groups.csv and UCF101's lists come along with the new names. A video that
cannot be read is copied as it is, so that it stays listed and counts as before; the
exit code is then 3.

VIDEOS stays as it is, but for its scan, which is remembered there. The command may be
stopped and given again: it goes on, and does anew what has changed. It ends with how
much faster clips are read.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np

from configs.command.errors import ConfigError, DataError, Interrupted, RunError
from configs.command.streams import produce, protect
from configs.command.text import say
from configs.schema.paths import expand_path
from data.decoding.video import read_clip
from data.prepare.lists import take_along
from data.prepare.work import Settings, new_path, prepare
from data.scan import ScanCache
from data.sources.tree import walk

COMPARED = 32  # videos that are read in the comparison
FRAMES, INTERVAL, SIZE = 32, 2, 224  # of a clip there
MOST_NAMED = 10  # of the files that are of no video


def command_line():
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m data.prepare",
        description="Code videos anew, once, so that training reads them fast.",
    )
    parser.add_argument("root", metavar="VIDEOS", help="folder of the videos")
    parser.add_argument("out", metavar="PREPARED", help="folder that is written")
    parser.add_argument(
        "--short_side",
        type=int,
        default=256,
        help="height or width of a frame, whichever is smaller, in pixels; smaller "
        "frames are not enlarged (default: %(default)s)",
    )
    parser.add_argument(
        "--key_frame_every",
        type=int,
        default=8,
        help="frames from one that stands for itself to the next: 1 makes the largest "
        "files and the fastest seeks (default: %(default)s)",
    )
    parser.add_argument(
        "--quality",
        type=int,
        default=20,
        help="x264's constant rate factor, 0 (lossless) to 51 (default: %(default)s)",
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=0,
        help="how many videos are worked on at once (default: one for each core)",
    )
    return parser


def check(options):
    """Root and new folder, and the settings, of a command line that can be carried out.

    Raises:
        ConfigError: names the option.
    """
    for name, least, most in (
        ("short_side", 16, 1 << 14),
        ("key_frame_every", 1, 1 << 14),
        ("quality", 0, 51),
        ("processes", 0, 1 << 10),
    ):
        value = getattr(options, name)
        if not least <= value <= most:
            raise ConfigError(
                f"--{name} must be in [{least}, {most}]; received {value}."
            )
    root = expand_path(options.root, "VIDEOS")
    out = Path(expand_path(options.out, "PREPARED"))
    if not os.path.isdir(root):
        raise DataError(f"VIDEOS must be a directory; received {root!r}.")
    inside = os.path.realpath(out).startswith(os.path.join(os.path.realpath(root), ""))
    if inside or os.path.realpath(out) == os.path.realpath(root):
        raise ConfigError(
            f"PREPARED must lie outside of VIDEOS, whose videos stay; received {out}."
        )
    settings = Settings(options.short_side, options.key_frame_every, options.quality)
    return root, out, settings


def report(prepared, out):
    """Lines that say what was done, and how much faster clips are read now.

    Args:
        prepared: what `data.prepare.work.prepare` returns.
        out: `Path` of the new folder.

    Yields:
        Lines of text.
    """
    coded = [row for row in prepared.values() if not row[2].reason]
    copied = {name: row[2] for name, row in prepared.items() if row[2].reason}
    yield f"videos coded anew{len(coded):>20}"
    yield f"copied as they are{len(copied):>19}"
    for title, paths in (
        ("MB before", [path for path, _, _ in coded]),
        ("MB now", [new_path(out, done) for _, _, done in coded]),
    ):
        yield f"{title:<24}{sum(map(os.path.getsize, paths)) / 1e6:>13.1f}"
    if coded:
        picked = np.linspace(0, len(coded) - 1, min(COMPARED, len(coded))).astype(int)
        times = speed([coded[i] for i in picked], out)
        yield f"clips read, times as fast{times:>12.2f}"
    for name, done in copied.items():
        yield f"copied: {name!r} {done.reason}"
    ours = {done.name for _, _, done in prepared.values()}
    others = sorted({"/".join(parts) for parts, _ in walk(out)} - ours)
    for name in others[:MOST_NAMED]:
        yield f"other: {name!r} is there, but is of no video of VIDEOS (any more)"
    if len(others) > MOST_NAMED:
        yield f"other: … and {len(others) - MOST_NAMED} more"


def speed(rows, out):
    """How many times as fast clips of the new files are read as those of the old ones.

    A clip begins in the middle of each video; old and new take turns, three times, and
    the smaller time of each counts.

    Args:
        rows: list of (path, `Video`, `Done`).
        out: `Path` of the new folder.
    """
    cache, clip = ScanCache(out), np.empty([1, FRAMES, 3, SIZE, SIZE], np.uint8)
    sums = np.zeros(2)
    for path, video, done in rows:
        new = str(new_path(out, done))
        sums += np.min(
            [
                [_seconds(path, video, clip), _seconds(new, cache.get(new), clip)]
                for _ in range(3)
            ],
            axis=0,
        )
    return sums[0] / sums[1]


def _seconds(path, video, out):
    start = max(video.frames // 2 - FRAMES * INTERVAL // 2, 0)
    frames = np.minimum(start + np.arange(FRAMES) * INTERVAL, video.frames - 1)
    side = min(video.height, video.width)
    square = (video.height - side) // 2, (video.width - side) // 2, side, side
    begin = time.perf_counter()
    read_clip(path, video, frames=frames, regions=[square], size=SIZE, out=out)
    return time.perf_counter() - begin


def main(arguments=None):
    """Codes the videos and prints what was done.

    Args:
        arguments: of the command line; None takes the process's own.

    Returns:
        The exit code.
    """
    options = command_line().parse_args(arguments)
    try:
        root, out, settings = check(options)
        prepared = prepare(root, out, settings, processes=options.processes)
        names = {name: done.name for name, (_, _, done) in prepared.items()}
        take_along(root, out, names)
        produce(*report(prepared, out))
    except RunError as error:
        say(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        say("Stopped; the same command goes on.", file=sys.stderr)
        return Interrupted.exit_code
    copied = any(done.reason for _, _, done in prepared.values())
    return DataError.exit_code if copied else 0


if __name__ == "__main__":
    protect()
    sys.exit(main())
