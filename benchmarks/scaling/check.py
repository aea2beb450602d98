"""The formulas against local worker processes: steps and all-reduces over loopback."""

import dataclasses
import json
import os

import numpy as np

from benchmarks.scaling.prediction import Link, ring
from benchmarks.scaling.task import Task
from benchmarks.scaling.units import counts, show_bytes, show_seconds
from benchmarks.scaling.workers import measure
from configs.command.errors import ConfigError, RunError
from configs.schema.serialization import to_json
from model.video_swin.parameters import BYTES, count_parameters

FITTED = (4_000, 64_000, 1_000_000, 16_000_000)  # bytes, from which a link is fitted
HELD_OUT = (256_000, 4_000_000)  # bytes, which are predicted
USUAL = (1, 2, 4)  # workers
SCALARS = 3  # that are reduced with the gradients: loss, accuracy, weight
LIMITS = (
    "Steps are predicted twice: from the step of one worker alone, and from the step "
    "without all-reduces that a worker takes while the others do the same.",
    "How far this tells: {cores} cores compute, copy and serialise for all workers at "
    "once, so one slows the others even where it has a core of its own, a step waits "
    "for the slowest, and other work on the machine falls into the figures.",
    "Rings were gRPC over loopback between CPUs: the form of the formulas is tested, "
    "not the bandwidth of NCCL or of a network.",
)


@dataclasses.dataclass(frozen=True)
class Compared:
    """A prediction beside what was measured, in seconds."""

    workers: int
    what: str
    predicted: float
    measured: float

    @property
    def ratio(self):
        """Measured over predicted."""
        return self.measured / self.predicted


def check(flags, config):
    """Measures, predicts and compares.

    Args:
        flags: with `workers`, `repeats` and `classes`.
        config: the `Experiment` whose model is stepped.

    Yields:
        Lines, last the JSON line.

    Raises:
        ConfigError: the numbers of workers, or the model, cannot be checked.
        RunError: a worker failed, or what the formulas take for granted is not so.
    """
    cores = len(os.sched_getaffinity(0))
    workers = numbers_of_workers(flags.workers, cores)
    if config.model.architecture is None:
        raise ConfigError(
            "--check must be given a --config that names its model's architecture; "
            "received one that leaves it to model.handle."
        )
    task = Task(
        experiment=to_json(config),
        clips=config.data.batch_size // max(config.runtime.replicas, 1),
        classes=flags.classes,
        sizes=sorted(FITTED + HELD_OUT),
        repeats=flags.repeats,
    )
    timings = {}
    for count in workers:
        yield f"Measuring {count} of {workers[-1]} workers …"
        timings[count] = measure(task, count)
    require_one_pack(
        timings[workers[-1]],
        count_parameters(config.model, flags.classes),
        clips=task.clips * workers[-1],
    )
    yield from report(task, timings, cores)


def numbers_of_workers(texts, cores):
    """Ascending numbers of workers, of which the first is 1.

    Args:
        texts: of the flag; None takes the usual ones for which there are cores.
        cores: of this machine.
    """
    if texts is None:
        return [count for count in USUAL if count <= max(cores, 2)]
    workers = counts("workers", texts)
    if workers[0] != 1 or len(workers) < 2:
        raise ConfigError(
            "--workers must name 1 and a larger number, as in 1,2; received "
            f"{','.join(texts)!r}."
        )
    return workers


def require_one_pack(timing, parameters, clips):
    """Raises RunError unless a step reduces what the prediction says it does.

    Args:
        timing: the `Timing` of several workers.
        parameters: how many weights the config's model has.
        clips: of all workers in a step.
    """
    expected = [BYTES * (parameters + SCALARS + 2 * clips)]
    if timing.parameters != parameters or timing.collectives != expected:
        raise RunError(
            f"A step must hold one all-reduce, of the {parameters:,} weights of the "
            f"config in float32, {SCALARS} numbers and two for each of {clips} clips; "
            f"the model has {timing.parameters:,}, the all-reduces hold "
            f"{timing.collectives[:8]} bytes."
        )


def report(task, timings, cores):
    """Lines that hold predictions against measurements, last the JSON line.

    Args:
        task: the `Task`.
        timings: number of workers -> `Timing`; 1 and at least one more.
        cores: that the workers share.
    """
    alone, first = timings[1], min(timings.keys() - {1})
    link = link_of(task, timings)
    collectives = timings[first].collectives
    yield (
        f"A step's graph holds {len(collectives)} all-reduce, of "
        f"{', '.join(f'{n:,}' for n in collectives)} bytes."
    )
    yield (
        f"One worker: {show_seconds(alone.computing)} a step of {task.clips} clips. "
        f"{first} workers: {show_bytes(link.bandwidth)}/s and "
        f"{show_seconds(link.latency)} a hop, fitted to {len(FITTED)} all-reduces."
    )
    yield f"{'workers':>7}  {'what':<22}{'predicted':>10}{'measured':>10}{'ratio':>7}"
    rows = list(compare(task, timings, cores, link))
    for row in rows:
        yield (
            f"{row.workers:>7}  {row.what:<22}{show_seconds(row.predicted):>10}"
            f"{show_seconds(row.measured):>10}{row.ratio:>7.2f}"
        )
    yield from (line.format(cores=cores) for line in LIMITS)
    many = [str(count) for count in sorted(timings) if count > cores]
    if many:
        yield (
            f"{' and '.join(many)} workers share {cores} cores: computing and links "
            "are taken to slow down in proportion, which tells little of real nodes."
        )
    yield json.dumps(
        {
            "gradient_bytes": BYTES * alone.parameters,
            "bandwidth": float(f"{link.bandwidth:.4g}"),
            "latency": float(f"{link.latency:.4g}"),
            "ratios": {f"{r.what}, {r.workers}": round(r.ratio, 3) for r in rows},
        }
    )


def link_of(task, timings):
    """The `Link` between the fewest workers of which there are several."""
    first = min(timings.keys() - {1})
    measured = dict(zip(task.sizes, timings[first].all_reduces, strict=True))
    call = call_of(timings)
    return fit_link(FITTED, [measured[size] - call for size in FITTED], first)


def call_of(timings):
    """Seconds that an all-reduce takes with nobody to talk to."""
    return min(timings[1].all_reduces)


def compare(task, timings, cores, link):
    """Predictions beside measurements, of what the link was not fitted to.

    Args:
        task: the `Task`.
        timings: number of workers -> `Timing`.
        cores: that the workers share: above so many workers everything slows down.
        link: `Link`, of the fewest workers.

    Yields:
        `Compared`.
    """
    alone, first = timings[1], min(timings.keys() - {1})
    for count in sorted(timings.keys() - {1}):
        sharing = max(1, count / cores)
        pace = sharing / max(1, first / cores)  # of the link as it was fitted
        measured = dict(zip(task.sizes, timings[count].all_reduces, strict=True))
        for size in HELD_OUT if count == first else task.sizes:
            predicted = call_of(timings) + pace * ring(size, count, link)
            what = f"all-reduce, {show_bytes(size)}"
            yield Compared(count, what, predicted, measured[size])
        reducing = ring(BYTES * alone.parameters, count, link)
        step, beside = timings[count].step, timings[count].computing
        predicted = sharing * alone.computing + pace * reducing
        yield Compared(count, "step, from one alone", predicted, step)
        yield Compared(count, "step, from its own", beside + pace * reducing, step)


def fit_link(sizes, seconds, ranks):
    """The `Link` whose ring comes nearest to measured all-reduces, in relative terms.

    Args:
        sizes: bytes of each.
        seconds: of each.
        ranks: of the ring.

    Raises:
        RunError: larger ones took no longer, or one took no time at all.
    """
    hops = 2 * (ranks - 1)
    if min(seconds) > 0:
        columns = np.array([[hops / ranks * size, hops] for size in sizes])
        columns /= np.array(seconds)[:, None]
        per_byte, latency = least_squares(columns)
        if latency < 0:
            [per_byte], latency = least_squares(columns[:, :1]), 0
        if per_byte > 0:
            return Link(1 / float(per_byte), float(latency))
    raise RunError(
        "The time of an all-reduce must grow with its bytes; measured "
        f"{', '.join(map(show_seconds, seconds))} for "
        f"{', '.join(map(show_bytes, sizes))}. Is the machine busy? Raise --repeats."
    )


def least_squares(columns):
    """Factors of the columns, of which the sum comes nearest to 1 in every row."""
    return np.linalg.lstsq(columns, np.ones(len(columns)), rcond=None)[0]
