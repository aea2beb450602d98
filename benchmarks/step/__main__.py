"""What a training step costs: time, memory, start-up, and what each option changes.

    python -m benchmarks.step [--variant=tiny] [--clip=32x224] [--precision=float32]
    python -m benchmarks.step --peer=Video-Swin-Transformer --keras_peer=VideoSwin
    python -m benchmarks.step --what_fits

Updates of random clips on one device, random weights. Prints a table and, last, a line
of JSON whose keys `benchmarks.step.report` explains. docs/measurements.md says what
they were on one machine.

The floor of a step is the time of its own matrix products, each alone. Whatever is
compared takes turns in one process, a step of each in every round, and counts by its
median. Memory, start-up, replicas and `fit` have a fresh process each: replicas are
compared on a batch that is so many times as large, and need as much more memory.

With --peer a checkout of https://github.com/SwinTransformer/Video-Swin-Transformer
takes its turn, on PyTorch from the extra `convert`, with --keras_peer one of
https://github.com/innat/VideoSwin, on Keras 3 and TensorFlow.

With --what_fits it measures nothing and prints how many clips the estimate of
`model.video_swin.memory` lets a replica compute at once.

On a GPU memory is what TensorFlow's own counters say, and logical replicas are left
out. Nobody has run that yet.
"""

import importlib.util
import re
from pathlib import Path

from absl import flags

from benchmarks.step.peer import PEERS
from benchmarks.what_fits import table
from configs.command.errors import ConfigError
from configs.command.flags import define_path
from configs.command.launch import run, start
from configs.command.text import say
from configs.schema import Data, Experiment, Runtime, video_swin

FLAGS = flags.FLAGS


def define_flags():
    """Defines the flags of this program."""
    flags.DEFINE_enum("variant", "tiny", ["tiny", "small", "base"], "Of Video Swin.")
    flags.DEFINE_string("clip", "32x224", "Frames x height and width of a clip.")
    flags.DEFINE_integer(
        "batch_size",
        1,
        "Clips of a step; of each replica, where replicas are compared.",
        lower_bound=1,
    )
    flags.DEFINE_enum(
        "precision",
        "float32",
        ["float32", "mixed_bfloat16", "mixed_float16"],
        "As runtime.precision.",
    )
    flags.DEFINE_enum(
        "recompute", "none", ["none", "attention", "block"], "As model.recompute."
    )
    flags.DEFINE_bool("jit_compile", False, "As runtime.jit_compile.")
    flags.DEFINE_integer(
        "replicas", 4, "Logical CPU devices, compared with one.", lower_bound=2
    )
    flags.DEFINE_integer(
        "steps", 5, "Rounds, of which medians are taken.", lower_bound=1
    )
    define_path("peer", "A checkout of the official repository, to take its turn.")
    define_path("keras_peer", "A checkout of the Keras port, to take its turn.")
    flags.DEFINE_bool(
        "what_fits", False, "Only print how many clips fit into 16 to 80 GB, estimated."
    )


def plan(_):
    """The `Experiment` that the flags describe; refuses what cannot be measured."""
    if FLAGS.what_fits:
        for line in table():
            say(line)
        raise SystemExit(0)
    clip = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", FLAGS.clip)
    if clip is None:
        raise ConfigError(
            f"--clip must be frames x size, as in 32x224; received {FLAGS.clip!r}."
        )
    for name, path in given_peers().items():
        check_peer(name, Path(path))
    frames, size = map(int, clip.groups())
    return Experiment(
        model=video_swin(FLAGS.variant, recompute=FLAGS.recompute),
        data=Data(frames=frames, size=size, batch_size=FLAGS.batch_size),
        runtime=Runtime(
            precision=FLAGS.precision, jit_compile=FLAGS.jit_compile, replicas=1
        ),
    )


def given_peers():
    """Name of `PEERS` -> path of a checkout."""
    paths = {name: getattr(FLAGS, name) for name in PEERS}
    return {name: path for name, path in paths.items() if path is not None}


def check_peer(name, path):
    """Refuses a folder that is not the repository, and a library that is missing."""
    peer = PEERS[name]
    if not (path / peer.source).is_file():
        raise ConfigError(
            f"--{name} must be a checkout of the {peer.title}; received {path}, which "
            f"holds no {peer.source}."
        )
    if importlib.util.find_spec(peer.needs) is None:
        raise ConfigError(
            f"--{name} needs {peer.needs}, which is not installed: {peer.command}."
        )


if __name__ == "__main__":
    define_flags()
    PLAN = start(plan, positional=False)  # What follows imports TensorFlow.

from benchmarks.step.measure import measure
from benchmarks.step.report import report


def main(experiment):
    """Measures and reports."""
    found = measure(
        experiment,
        steps=FLAGS.steps,
        replicas=FLAGS.replicas,
        peers=given_peers(),
    )
    for line in report(found):
        say(line)


if __name__ == "__main__":
    run(lambda _: main(PLAN), positional=False)
