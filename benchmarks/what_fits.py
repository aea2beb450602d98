"""How many clips a replica can train on at once, by the estimate of `model.memory`.

    python -m benchmarks.what_fits
    python -m benchmarks.what_fits --check [--variants=tiny,small,base]

The first prints the table of docs/measurements.md. The second measures a step for each
variant, clip, precision and kind of recomputation, each in a process of its own, and
prints the estimate beside it; the last line is JSON, with the largest error. It takes
an hour or more on two cores, and 8 GB.
"""

import argparse
import itertools
import json
import subprocess
import sys

from configs.schema import video_swin
from configs.schema.model import VIDEO_SWIN_SIZES
from model.video_swin.memory import GIB, largest_batch, peak_bytes
from strategy.driver import count_gpus

CLASSES = 101
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
RECOMPUTE = ("none", "attention", "block")
DEVICES = (16, 24, 40, 80)  # GiB
FULL = (32, 224)  # frames, size
CLIPS = ((8, 112), (16, 160), FULL)


def main():
    """Prints the table, or checks the estimate."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="measure and compare")
    parser.add_argument("--variants", default=",".join(VIDEO_SWIN_SIZES))
    flags = parser.parse_args()
    if flags.check:
        check(flags.variants.split(","))
    else:
        print(*table(), sep="\n")


def table():
    """Lines of Markdown: the most clips at once, by memory of the device.

    For clips of 32 x 224 x 224 and 101 classes, on one replica.
    """
    lines = [
        "| Swin | precision | recompute | "
        + " | ".join(f"{gib} GiB" for gib in DEVICES)
        + " |",
        "|---" * (3 + len(DEVICES)) + "|",
    ]
    # Both kinds of low precision take the same.
    for row in itertools.product(VIDEO_SWIN_SIZES, PRECISIONS[:2], RECOMPUTE):
        variant, precision, recompute = row
        counts = [
            largest_batch(
                video_swin(variant, recompute=recompute),
                CLASSES,
                frames=FULL[0],
                size=FULL[1],
                precision=precision,
                memory=gib * GIB,
            )
            for gib in DEVICES
        ]
        lines.append(f"| {' | '.join(map(str, (*row, *counts)))} |")
    return lines


def check(variants):
    """Prints the estimate, what is measured and the error of each case.

    Args:
        variants: names of `VIDEO_SWIN_SIZES`.
    """
    largest = 0
    for variant, clip, precision, recompute in itertools.product(
        variants, CLIPS, PRECISIONS, RECOMPUTE
    ):
        case = {"frames": clip[0], "size": clip[1], "precision": precision}
        estimate = peak_bytes(
            video_swin(variant, recompute=recompute),
            CLASSES,
            clips=1,
            on_cpu=not count_gpus(),
            **case,
        )
        measured = measure(variant=variant, recompute=recompute, **case)
        error = estimate / measured - 1
        largest = max(largest, abs(error))
        print(
            f"{variant:6} {clip[0]:2} x {clip[1]} {precision:15} {recompute:10}"
            f"{estimate / GIB:7.2f} GiB, measured {measured / GIB:5.2f} {error:+6.1%}",
            flush=True,
        )
    print(json.dumps({"largest_error": round(largest, 3)}))


def measure(*, clips=1, parts=1, **case):
    """What `benchmarks.peak` prints in a process of its own, bytes."""
    case |= {"clips": clips, "parts": parts}
    arguments = [f"--{name}={value}" for name, value in case.items()]
    command = [sys.executable, "-m", "benchmarks.peak", *arguments]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return int(result.stdout)


if __name__ == "__main__":
    main()
