"""Whether several nodes pay: step times predicted from one node's and from the links.

    python -m benchmarks.scaling --config=ucf101_swin_tiny --nodes=1,2,4,8 --gpus=8 \\
        --link=100Gb/s --step_seconds=0.8
    python -m benchmarks.scaling --config=demo --check

The first predicts; the options of the experiment are flags as in train.py. The second
measures steps and all-reduces of local worker processes on CPU, and holds the formulas
against them. The last line is JSON. docs/scaling.md says how to read both.
"""

import dataclasses
import math

from absl import flags

from benchmarks.scaling.prediction import (
    Cluster,
    Link,
    Measured,
    all_reduce,
    computing,
    fixed_part,
)
from benchmarks.scaling.report import report
from benchmarks.scaling.units import bandwidth, counts, duration
from configs.command.errors import ConfigError
from configs.command.flags import define, load
from configs.command.launch import parse, run
from configs.command.text import say
from configs.schema.section import require
from model.video_swin.parameters import BYTES, count_parameters

FLAGS = flags.FLAGS


def define_flags():
    """Defines the flags of this program, besides those of an experiment."""
    flags.DEFINE_list("nodes", "1,2,4,8", "Numbers of nodes.")
    flags.DEFINE_integer("gpus", 8, "GPUs of each node.", lower_bound=1)
    flags.DEFINE_float(
        "step_seconds",
        None,
        "Seconds of an update on one node of --gpus GPUs, with data.batch_size.",
    )
    flags.DEFINE_float(
        "half_step_seconds",
        None,
        "The same with half of data.batch_size: tells what does not shrink with it.",
    )
    flags.DEFINE_integer("classes", 101, "Of the head.", lower_bound=1)
    flags.DEFINE_integer(
        "parameters",
        None,
        "Trainable weights, where model.handle keeps its architecture to itself.",
        lower_bound=1,
    )
    flags.DEFINE_integer("cores", None, "Of each node, to decode with.", lower_bound=1)
    flags.DEFINE_float(
        "clips_per_core",
        None,
        "Clips that a core decodes a second; python -m benchmarks.input measures it.",
    )
    flags.DEFINE_bool("check", False, "Measure local workers on CPU instead.")
    flags.DEFINE_list("workers", None, "With --check: how many, as in 1,2,4.")
    flags.DEFINE_integer(
        "repeats", 20, "With --check: how often each thing is timed.", lower_bound=1
    )


def define_link_flags():
    """Defines the flags that describe links, and the rings over them."""
    flags.DEFINE_string(
        "link", None, "Bandwidth of a node to the others: 100Gb/s (bits), 12GB/s."
    )
    flags.DEFINE_string("link_latency", "9.6us", "Of a hop between nodes; NCCL's own.")
    flags.DEFINE_string("node_link", "200GB/s", "Bandwidth between a node's GPUs.")
    flags.DEFINE_string(
        "node_link_latency", "3.4us", "Of a hop inside a node; NCCL's own."
    )
    flags.DEFINE_enum(
        "rings",
        "hierarchical",
        ["hierarchical", "flat"],
        "A ring in each node and one between nodes, or one through all GPUs.",
    )


def main(_):
    """Prints a prediction, or one beside what is measured here."""
    config = load(required("config"))
    if FLAGS.check:
        from benchmarks.scaling.check import check

        lines = check(FLAGS, config)
    else:
        lines = predictions(config)
    for line in lines:
        say(line)


def predictions(config):
    """The lines of the report that the flags ask for."""
    cluster = cluster_of_flags()
    nodes = counts("nodes", FLAGS.nodes)
    measured = measured_by_flags(config, cluster)
    kinds = {"hierarchical": "flat", "flat": "hierarchical"}
    other = dataclasses.replace(cluster, rings=kinds[cluster.rings])
    return report(FLAGS.config, measured, cluster, nodes, other)


def cluster_of_flags():
    """The `Cluster` that the flags describe."""
    decoding = None
    if (FLAGS.cores is None) != (FLAGS.clips_per_core is None):
        raise ConfigError(
            "--cores and --clips_per_core must be given together; received "
            f"{FLAGS.cores} and {FLAGS.clips_per_core}."
        )
    if FLAGS.cores is not None:
        decoding = FLAGS.cores * positive("clips_per_core")
    return Cluster(
        gpus=FLAGS.gpus,
        inside=Link(
            bandwidth("node_link", FLAGS.node_link),
            duration("node_link_latency", FLAGS.node_link_latency),
        ),
        between=Link(
            bandwidth("link", required("link")),
            duration("link_latency", FLAGS.link_latency),
        ),
        rings=FLAGS.rings,
        clips_per_second=decoding,
    )


def measured_by_flags(config, cluster):
    """The `Measured` step that the flags tell."""
    required("step_seconds")
    batch, parts = config.data.batch_size, config.runtime.accumulation_steps
    require(
        batch % (cluster.gpus * parts) == 0,
        "data.batch_size",
        f"be divisible by --gpus x runtime.accumulation_steps = {cluster.gpus} x "
        f"{parts}, as the measured step was",
        batch,
    )
    measured = Measured(
        seconds=positive("step_seconds"),
        clips=batch // cluster.gpus,
        fixed=0.0,
        gradients=BYTES * parameters_of(config.model),
        parts=parts,
    )
    inside = all_reduce(measured.gradients, 1, cluster)
    if computing(measured, cluster) <= 0:
        raise ConfigError(
            f"--step_seconds must be more than the {inside:.3g} s that all-reduces "
            f"inside a node take by --node_link; received {measured.seconds}."
        )
    if FLAGS.half_step_seconds is None:
        return measured
    half = positive("half_step_seconds")
    fixed = fixed_part(measured.seconds, half, inside)
    if fixed < 0 or half >= measured.seconds:
        raise ConfigError(
            "--half_step_seconds must be at least half of --step_seconds and of what "
            f"all-reduces take inside a node, {(measured.seconds + inside) / 2:.4g}, "
            f"and below {measured.seconds}; received {half}."
        )
    return dataclasses.replace(measured, fixed=fixed)


def parameters_of(model):
    """Trainable weights of a `configs.schema.Model`, or what --parameters says."""
    if FLAGS.parameters is not None:
        return FLAGS.parameters
    if model.architecture is None:
        raise ConfigError(
            "--parameters must say how many weights are trained, as the config leaves "
            "the architecture to model.handle; received none. train.py logs how many "
            "each of its groups has."
        )
    return count_parameters(model, FLAGS.classes)


def required(name):
    """The value of a flag that must be given."""
    if FLAGS[name].value is None:
        raise ConfigError(f"--{name} must be given; received nothing. See --help.")
    return FLAGS[name].value


def positive(name):
    """The value of a flag that must be a finite number above 0."""
    value = FLAGS[name].value
    if not 0 < value < math.inf:
        raise ConfigError(f"--{name} must be above 0 and finite; received {value}.")
    return value


if __name__ == "__main__":
    define()
    define_flags()
    define_link_flags()
    parse(positional=False)
    run(main, positional=False)
