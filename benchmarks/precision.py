"""Whether the loss curves of the three precisions can be told apart.

    python -m benchmarks.precision --root=UCF101_MINI --workdir=runs/precision

Trains a small `ucf101_mini` (8 frames of 48 x 48, 360 steps) in each precision with
seed 0, and in float32 with two more seeds; a run that is there already is not
repeated. The distance of two runs is the largest difference of their losses averaged
over 36 steps. With one seed, runs see the same examples and draw the same masks, and
rounding has moved little in the first 108 steps: "early" is the sharp comparison. Later
any small difference grows to one of its own; then precisions cannot be told apart if
their distances stay below that of any two seeds, which is a weak one. The last line is
JSON.
"""

import argparse
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from storage.rows import Rows

WINDOW = 36  # steps, six epochs
EARLY = 3 * WINDOW
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
SEEDS = (0, 1, 2)
SMALL = (
    "--data.frames=8",
    "--data.size=48",
    "--views.clips=1",
    "--views.crops=1",
    "--checkpoints.keep=1",
)


def main():
    """Trains what is missing and compares."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", required=True, help="folder of the four classes")
    parser.add_argument("--workdir", required=True, type=Path, help="the runs' folder")
    flags = parser.parse_args()
    runs = {(precision, 0) for precision in PRECISIONS}
    runs |= {("float32", seed) for seed in SEEDS}
    losses = {
        (precision, seed): train(flags.root, flags.workdir, precision, seed)
        for precision, seed in sorted(runs)
    }
    print(*report(losses), sep="\n")


def train(root, workdir, precision, seed):
    """The losses of a run, step by step."""
    folder = workdir / f"{precision}-{seed}"
    options = [
        "--config=ucf101_mini",
        f"--data.root={root}",
        f"--runtime.precision={precision}",
        f"--seed={seed}",
        f"--workdir={folder}",
    ]
    subprocess.run([sys.executable, "train.py", *options, *SMALL], check=True)
    return [row["loss"] for row in Rows(folder / "journal.jsonl").read()]


def averaged(losses):
    """Means over windows of steps; a last one that is not full is left out."""
    count = len(losses) // WINDOW
    return np.reshape(losses[: count * WINDOW], [count, WINDOW]).mean(axis=1)


def distance(losses, others):
    """The largest difference of two averaged curves."""
    return float(np.abs(averaged(losses) - averaged(others)).max())


def report(losses):
    """Lines: every averaged curve, and the distances as JSON.

    Args:
        losses: by (precision, seed), step by step.
    """
    for (precision, seed), values in losses.items():
        curve = " ".join(f"{value:.3f}" for value in averaged(values))
        yield f"{precision:15} seed {seed}: {curve}"
    yield json.dumps({"early": distances(losses, EARLY), "all": distances(losses)})


def distances(losses, steps=None):
    """Of the precisions from float32 with their seed, and of the two nearest seeds."""
    cut = {run: values[:steps] for run, values in losses.items()}
    found = {
        precision: distance(cut[precision, 0], cut["float32", 0])
        for precision in PRECISIONS[1:]
    }
    seeds = [cut["float32", seed] for seed in SEEDS]
    found["seeds"] = min(itertools.starmap(distance, itertools.combinations(seeds, 2)))
    return {name: round(value, 4) for name, value in found.items()}


if __name__ == "__main__":
    main()
