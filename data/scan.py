"""Tells what every video of a data set really holds, and which are bad.

    python -m data.scan ROOT

Each file is decoded whole in a worker process, so that one which crashes or hangs the
decoder costs a worker and a line, never a run. Files that have not changed since are
not decoded again (data.manifest). Exits with 3 above the allowed share of bad videos.
"""

import argparse
import collections
import sys

from configs.errors import DataError
from configs.schema import Data
from data.inspection import inspect_videos
from data.layout import splits_of
from data.manifest import Manifest
from data.ucf101 import list_videos


def describe(names, videos):
    """Lines of a table: what the videos hold, then each bad one with its reason."""
    good = [video for video in videos if not video.reason]
    counts = sorted(video.frames for video in good) or [0]
    rows = {
        "videos": len(videos),
        "bad": len(videos) - len(good),
        "frames, least": counts[0],
        "frames, median": counts[len(counts) // 2],
        "frames, most": counts[-1],
        "header counts wrong": sum(v.frames != v.promised for v in good),
        "seek not exact": sum(not v.exact for v in good),
    }
    rows |= _most_common(f"size {v.width} x {v.height}" for v in good)
    rows |= _most_common(f"codec {v.codec}" for v in good)
    rows |= _most_common(f"frames per second {v.rate:.4g}" for v in good)
    yield from (f"{title:<32}{value:>8}" for title, value in rows.items())
    for name, video in zip(names, videos, strict=True):
        if video.reason:
            yield f"bad: {name!r} {video.reason}"


def _most_common(kinds, shown=5):
    counts = collections.Counter(kinds).most_common()
    others = sum(count for _, count in counts[shown:])
    title = counts[0][0].split()[0] if counts else ""
    return dict(counts[:shown]) | ({f"{title}, others": others} if others else {})


def main(arguments=None):
    """Scans what the lists name, prints a table and returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m data.scan",
        description="Decode every listed video once and tell which are bad.",
    )
    parser.add_argument("root", help="the data set's directory")
    parser.add_argument(
        "--bad_share",
        type=float,
        default=Data.bad_share,
        help="share of bad videos above which the exit code is 3 (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--workers", type=int, default=0, help="processes (default: one a core)"
    )
    options = parser.parse_args(arguments)
    try:
        names = {}
        for split in splits_of(options.root):
            listing = list_videos(options.root, split)
            names |= dict(zip(listing.paths, listing.names, strict=True))
    except DataError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    manifest = Manifest(options.root)
    videos = inspect_videos(list(names), manifest=manifest, workers=options.workers)
    print("\n".join(describe(names.values(), videos)))
    bad = sum(bool(video.reason) for video in videos)
    return DataError.exit_code if bad > options.bad_share * len(videos) else 0


if __name__ == "__main__":
    sys.exit(main())
