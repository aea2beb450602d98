"""How long it takes, and how much memory, to list and check very many videos.

    python -m benchmarks.listing --videos=100000

makes so many short videos in 100 class folders, links to eight files, and measures in
a process each: listing them for the first time, with the split drawn and kept; listing
them again; scanning them, which decodes each; and what python -m data.check does once
they are scanned. The scan is by far the longest, and depends on how long videos are:
these have eight frames of 32 x 32.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CLASSES, FILES = 100, 8
LIST = "from data.sources.folder import list_folder; list_folder(data)"
SCAN = "from data.sources import open_source; open_source(data)"
CHECK = (
    "from data.check.facts import facts_of; from data.sources import open_source; "
    "facts_of(open_source(data), data)"
)
MEASURED = """
import json, resource, sys, time
from configs.schema import Data
data = Data(source="folder", root=sys.argv[1], validation="split")
begin = time.monotonic()
{code}
seconds = time.monotonic() - begin
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([seconds, peak]))
"""


def make(root, videos):
    """Makes so many videos in class folders."""
    import numpy as np

    from data.decoding.write import write_video

    generator = np.random.default_rng(0)
    for number in range(FILES):
        frames = generator.integers(0, 256, [8, 32, 32, 3], dtype=np.uint8)
        write_video(root.parent / f"{number}.avi", frames)
    for name in range(CLASSES):
        (root / f"class_{name:03}").mkdir(parents=True)
    for number in range(videos):
        target = root / f"class_{number % CLASSES:03}" / f"video_{number:07}.avi"
        os.link(root.parent / f"{number % FILES}.avi", target)


def measure(root, code):
    """Seconds, and the peak resident memory in MiB, of a piece of code."""
    result = subprocess.run(
        [sys.executable, "-c", MEASURED.format(code=code), str(root)],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return json.loads(result.stdout)


def main(arguments=None):
    """Prints a row for each measurement."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.listing",
        description=__doc__.splitlines()[0],
    )
    parser.add_argument("--videos", type=int, default=100_000, help="how many")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "videos")
        make(root, options.videos)
        print(f"{'':<32}{'s':>10}{'MiB':>10}")
        for title, code in (
            ("an interpreter with the schema", "pass"),
            ("list, draw and keep the split", LIST),
            ("list again", LIST),
            ("list and scan", SCAN),
            ("list, and check what was scanned", CHECK),
        ):
            seconds, peak = measure(root, code)
            print(f"{title:<32}{seconds:>10.1f}{peak:>10.0f}", flush=True)


if __name__ == "__main__":
    main()
