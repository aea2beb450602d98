"""The prediction in words: its assumptions, a table for each way to scale, advice."""

import json
import math

from benchmarks.scaling.prediction import (
    WORTH,
    all_reduce,
    enough_clips,
    strong,
    weak,
)
from benchmarks.scaling.units import show_bytes, show_seconds
from configs.schema.experiment import divisors

HEADER = (
    f"{'nodes':>5}{'GPUs':>6}{'batch':>8}{'a replica':>11}{'step':>10}"
    f"{'all-reduce':>12}{'clips/s':>9}{'efficiency':>12}{'decode/node':>13}  limit"
)


def report(name, measured, cluster, nodes, other):
    """Lines of the report, last the JSON line.

    Args:
        name: of the experiment.
        measured: `Measured`.
        cluster: `Cluster`.
        nodes: counts of nodes, ascending.
        other: the same `Cluster` with the other kind of rings.
    """
    kinds = {"strong": strong, "weak": weak}
    rows = {k: [f(measured, cluster, n) for n in nodes] for k, f in kinds.items()}
    yield from assumptions(name, measured, cluster)
    titles = {
        "strong": "Strong scaling: the global batch of the config, on more GPUs.",
        "weak": "Weak scaling: the clips of each replica stay, the global batch grows "
        "(another run: its learning rate has to be chosen anew).",
    }
    for kind, title in titles.items():
        yield from ("", title, HEADER)
        yield from map(line_of, rows[kind])
        yield from advice(rows[kind], measured, cluster)
    yield ""
    yield from other_rings(measured, cluster, other, nodes)
    yield json.dumps(
        {"gradient_bytes": measured.gradients}
        | {kind: [summary_of(row) for row in rows[kind]] for kind in rows}
    )


def assumptions(name, measured, cluster):
    """What the prediction rests on."""
    yield (
        f"{name}: {show_bytes(measured.gradients)} of gradients in float32, packed "
        f"into one all-reduce after the backward pass: no overlap."
    )
    inside = all_reduce(measured.gradients, 1, cluster)
    parts = f" in {measured.parts} parts" if measured.parts > 1 else ""
    yield (
        f"Measured, one node: {show_seconds(measured.seconds)} a step, "
        f"{cluster.gpus} x {measured.clips} clips{parts}; all-reduce inside the node "
        f"{show_seconds(inside)}."
    )
    yield (
        f"Fixed part of it: {show_seconds(measured.fixed)}."
        if measured.fixed
        else "No fixed part is known (--half_step_seconds): a step is taken to shrink "
        "in proportion to its clips, which small batches do not."
    )
    inside, between = map(_link_text, (cluster.inside, cluster.between))
    yield (
        f"Links: inside a node {inside}; between nodes {between}; {cluster.rings} "
        "rings."
    )
    yield (
        f"Decoding: {cluster.clips_per_second:.4g} clips/s a node."
        if cluster.clips_per_second
        else "Decoding is left aside (--cores, --clips_per_core): see decode/node."
    )


def _link_text(link):
    return f"{show_bytes(link.bandwidth)}/s, {show_seconds(link.latency)} a hop"


def line_of(row):
    """A row of the table."""
    start = f"{row.nodes:>5}{row.replicas:>6}{row.batch:>8}"
    if row.seconds is None:
        return start + f"{'-':>11}{'-':>10}{'-':>12}{'-':>9}{'-':>12}{'-':>13}  batch"
    step, reducing = show_seconds(row.seconds), show_seconds(row.all_reduce)
    return start + (
        f"{row.clips:>11}{step:>10}{reducing:>12}{row.rate:>9.1f}"
        f"{row.efficiency:>12.2f}{row.decoded:>13.1f}  {row.limit}"
    )


def advice(rows, measured, cluster):
    """For each limit that a table shows, what helps; from its last such row."""
    last = {(row.limit, row.seconds is None): row for row in rows}
    makers = {
        ("batch", True): _indivisible,
        ("batch", False): _fixed,
        ("link", False): _link,
        ("input", False): _input,
    }
    for kind, make in makers.items():
        if kind in last:
            yield f"{kind[0]}: {make(last[kind], measured, cluster)}"
    if last.keys() == {("step", False)}:
        yield f"step: more nodes pay, each at {WORTH:.0%} or more of the first."


def _indivisible(row, measured, cluster):
    legal = divisors(row.batch // (cluster.gpus * measured.parts))
    return (
        f"a global batch of {row.batch} is not divisible by {row.nodes} nodes x "
        f"{cluster.gpus} GPUs x {measured.parts} runtime.accumulation_steps; node "
        f"counts that divide it: {', '.join(map(str, legal))}. A larger "
        "data.batch_size goes further"
        + (", and so do fewer parts." if measured.parts > 1 else ".")
    )


def _fixed(row, measured, cluster):
    return (
        f"{_clips(row.clips)} a replica leave too much of a step to its fixed part: "
        + _more_clips(row, measured, cluster)
        + " Accumulation helps less here: each part has a fixed part of its own."
    )


def _link(row, measured, cluster):
    return (
        f"the all-reduce takes {row.all_reduce / row.seconds:.0%} of a step of "
        f"{_clips(row.clips)} a replica: a faster link, or "
        + _more_clips(row, measured, cluster)
        + " What does not fit in memory fits with runtime.accumulation_steps, which "
        "reduce once an update."
    )


def _more_clips(row, measured, cluster):
    clips = enough_clips(measured, cluster, row.nodes)
    return (
        f"from {_clips(clips)} a replica on (data.batch_size={clips * row.replicas}) "
        f"{row.nodes} nodes reach {WORTH:.0%}."
    )


def _clips(number):
    return "1 clip" if number == 1 else f"{number} clips"


def _input(row, measured, cluster):
    wanted, has = row.decoded, cluster.clips_per_second
    return (
        f"each node decodes {has:.4g} of {math.ceil(wanted)} clips/s that it would "
        f"train on: {wanted / has:.2g} times the cores. Where the cores are not busy, "
        "it is the storage: a local disk, or ArrayRecord files (data.source=tfds)."
    )


def other_rings(measured, cluster, other, nodes):
    """What the other kind of rings would change."""
    rows = [weak(measured, other, count) for count in nodes]
    efficiencies = ", ".join(f"{row.efficiency:.2f}" for row in rows)
    yield (
        f"NCCL chooses its rings and trees itself. With {other.rings} rings the "
        f"efficiencies in weak scaling are {efficiencies} (--rings={other.rings})."
    )


def summary_of(row):
    """A row for the JSON line."""
    found = {"nodes": row.nodes, "limit": row.limit}
    if row.seconds is not None:
        found["step_seconds"] = float(f"{row.seconds:.6g}")
        found["efficiency"] = round(row.efficiency, 4)
    return found
