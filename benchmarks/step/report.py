"""The table of what was measured, and its line of JSON.

step_over_floor, forward_over_floor
    Times of a step, and of logits without gradients, as multiples of the time of their
    matrix products in the blocks, each alone.
utilisation
    Arithmetic of these products a second of a step, as a fraction of what a large
    square product reaches.
bfloat16_speedup, jit_speedup
    Time of a step in float32 by that in mixed_bfloat16, and without XLA by that with.
activation_gb, recompute_attention_gb, recompute_block_gb
    What a step takes besides the built model: activations, gradients and its graph.
recompute_attention_time, recompute_block_time
    Times of a step as multiples of that without recomputation.
startup_seconds, graph_mb
    Trace and first step less a later one; size of the step's GraphDef.
replicas_overhead
    Time of a step on several logical replicas as a multiple of that of the same batch
    on one; null where replicas are GPUs.
loop_overhead
    Time of a step of `fit` with the callbacks of a run as a multiple of a bare one.
saving
    Fraction of the time that the loop stands still at the default cadence of
    checkpoints: every so many steps, and at the end of each epoch of UCF101.
peer_time, keras_peer_time
    Only with --peer and --keras_peer: times of their steps as multiples of ours.
"""

import json

from benchmarks.step.measure import with_options
from benchmarks.step.peer import PEERS
from benchmarks.step.products import flop_of
from configs.schema import Calendar, Checkpoints, Data

GIGA, MEGA = 10**9, 10**6
TRAINING_VIDEOS = 9537  # of UCF101's first split


def report(measured):
    """Lines of the table, last the JSON line.

    Args:
        measured: a `benchmarks.step.measure.Measured`.
    """
    ratios = ratios_of(measured)
    yield title(measured.experiment)
    for rows in (
        floor_rows(measured, ratios),
        option_rows(measured, ratios),
        other_rows(measured, ratios),
    ):
        yield ""
        for name, *cells in rows:
            yield f"{name:36}" + "".join(f"{cell:>14}" for cell in cells)
    yield ""
    yield json.dumps(
        {k: None if v is None else float(f"{v:.4g}") for k, v in ratios.items()}
    )


def ratios_of(measured):
    """What the JSON line holds."""
    times, memory, loop = measured.times, measured.memory, measured.loop
    step, first = times.updates[measured.experiment], memory[measured.experiment]

    def gigabytes(**options):
        return memory[with_options(measured.experiment, **options)].step / GIGA

    def time_of(**options):
        return times.updates[with_options(measured.experiment, **options)]

    replicas = measured.replicas
    ratios = {
        "step_over_floor": step / times.of(measured.blocks.step),
        "forward_over_floor": times.forward / times.of(measured.blocks.forward),
        "utilisation": flop_of(measured.blocks.step) / step / square_rate(measured),
        "bfloat16_speedup": time_of(precision="float32")
        / time_of(precision="mixed_bfloat16"),
        "activation_gb": gigabytes(),
        "recompute_attention_gb": gigabytes(recompute="attention"),
        "recompute_attention_time": time_of(recompute="attention")
        / time_of(recompute="none"),
        "recompute_block_gb": gigabytes(recompute="block"),
        "recompute_block_time": time_of(recompute="block") / time_of(recompute="none"),
        "jit_speedup": time_of(jit_compile=False) / time_of(jit_compile=True),
        "startup_seconds": first.first - first.steady,
        "graph_mb": first.graph / MEGA,
        "replicas_overhead": replicas and replicas.several / replicas.one,
        "loop_overhead": loop.fit / loop.bare,
        "saving": saving(loop),
    }
    peers = {f"{name}_time": seconds / step for name, seconds in times.peers.items()}
    return ratios | peers


def square_rate(measured):
    """Multiplications and additions a second of the large product."""
    return measured.square.flop / measured.times.products[measured.square]


def saving(loop):
    """Fraction of the time that checkpoints take, with one clip a step."""
    epoch = Calendar(TRAINING_VIDEOS, Data().batch_size, epochs=1)
    saves = loop.save * (1 / Checkpoints().save_every + 1 / epoch.steps)
    return saves / (saves + loop.bare)


def title(experiment):
    """What is measured."""
    model, data = experiment.model, experiment.data
    options = ", ".join(f"{k}={v}" for k, v in options_of(experiment).items())
    return (
        f"Video Swin, {model.embed_dim} channels, {sum(model.depths)} blocks; clips "
        f"{data.batch_size} x {data.frames} x {data.size} x {data.size}; {options}"
    )


def floor_rows(measured, ratios):
    """The step, its forward pass and their floors."""
    times, blocks, others = measured.times, measured.blocks, measured.others
    step = times.updates[measured.experiment]
    yield "", "GFLOP", "s", "of the floor"
    for name, products in (("products of the blocks", blocks), ("others", others)):
        for part in ("forward", "step"):
            counter = getattr(products, part)
            arithmetic = f"{flop_of(counter) / GIGA:.1f}"
            yield f"{name}, {part}", arithmetic, f"{times.of(counter):.3f}", ""
    ratio = f"{ratios['forward_over_floor']:.2f}"
    yield "forward", "", f"{times.forward:.3f}", ratio
    yield "step", "", f"{step:.3f}", f"{ratios['step_over_floor']:.2f}"
    whole = step / (times.of(blocks.step) + times.of(others.step))
    yield "  of the floor with the others", "", "", f"{whole:.2f}"
    side, rate = measured.square.left[0], square_rate(measured) / GIGA
    yield f"product of {side} x {side}, GFLOP/s", f"{rate:.0f}", "", ""
    yield "  which a step reaches", f"{ratios['utilisation']:.0%}", "", ""


def option_rows(measured, ratios):
    """Each variant's time, beside the step's, and its memory where it is measured."""
    times = measured.times.updates
    step = times[measured.experiment]
    yield "", "s", "of the step", "GB"
    for variant, seconds in times.items():
        memory = measured.memory.get(variant)
        yield (
            name_of(variant, measured.experiment),
            f"{seconds:.3f}",
            f"{seconds / step:.2f}",
            "" if memory is None else f"{memory.step / GIGA:.2f}",
        )
    for name, seconds in measured.times.peers.items():
        yield PEERS[name].title, f"{seconds:.3f}", f"{ratios[f'{name}_time']:.2f}", ""


def name_of(variant, experiment):
    """The options in which a variant differs."""
    usual = options_of(experiment).items()
    changed = [f"{k}={v}" for k, v in options_of(variant).items() - usual]
    return ", ".join(changed) or "step"


def options_of(experiment):
    """The options that are compared, as they are written on the command line."""
    return {
        "precision": experiment.runtime.precision,
        "recompute": experiment.model.recompute,
        "jit_compile": str(experiment.runtime.jit_compile).lower(),
    }


def other_rows(measured, ratios):
    """What fresh processes measured."""
    memory, replicas = measured.memory[measured.experiment], measured.replicas
    loop, count = measured.loop, measured.count
    yield "built model, GB", f"{memory.built / GIGA:.2f}"
    yield "start-up, s", f"{ratios['startup_seconds']:.2f}"
    yield "GraphDef, MB", f"{ratios['graph_mb']:.2f}"
    if replicas is not None:
        yield f"batch on {count} replicas, s", f"{replicas.several:.3f}"
        yield "  on one", f"{replicas.one:.3f}"
        yield "  times", f"{ratios['replicas_overhead']:.3f}"
        start = replicas.first - replicas.several
        yield f"start-up on {count} replicas, s", f"{start:.2f}"
    yield "step of fit, s", f"{loop.fit:.4f}"
    yield "  bare", f"{loop.bare:.4f}"
    yield "  times", f"{ratios['loop_overhead']:.3f}"
    yield "checkpoint, s", f"{loop.save:.2f}"
    yield "  of the time, default cadence", f"{ratios['saving']:.2%}"
