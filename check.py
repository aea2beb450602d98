"""Finds whether this machine, or cluster, computes what it must: run it first.

    python check.py
    python check.py --workdir=runs/tiny --runtime.replicas=2
    python check.py --config=ucf101_swin_tiny --data.root=UCF101 --workdir=runs/tiny

Prints a line for each finding: "ok", "WRONG" with what to do, or "note" for what is
only to be known, or could not be checked here. Trains a small model, or that of
--config, on clips made for it, in several ways that must agree. Keeps no file. Exit
codes: 0 nothing is wrong, 8 something is, 2 usage or config, 75 stopped or another
worker was lost, 1 stalled (an all-reduce that never ends: see the stacks) or a defect.
"""

import contextlib
import dataclasses

from absl import flags, logging

from configs import demo
from configs.command.findings import note
from configs.command.flags import define, load, override
from configs.command.launch import run, start
from configs.schema import Runtime
from data import check_root
from strategy import count_workers

FLAGS = flags.FLAGS
BATCH_SIZE, STALL_MINUTES = 8, 5.0  # of the small model


def plan(_):
    """The `Experiment` that is checked; says which."""
    config = planned()
    if config.data.root and count_workers(config.runtime.cluster) == 1:
        check_root(config.data)
    logging.info("Checking this machine with %s.", FLAGS.config or "a small model")
    return config


def planned():
    """The experiment of the flags; a small model where they name none."""
    if FLAGS.config:
        return load(FLAGS.config)
    config = demo.config()
    checkpoints = dataclasses.replace(config.checkpoints, stall_minutes=STALL_MINUTES)
    batch = multiple(BATCH_SIZE, FLAGS["runtime.replicas"].value or 1)
    data = dataclasses.replace(config.data, root="", batch_size=batch)
    config = dataclasses.replace(config, data=data, checkpoints=checkpoints)
    return override(dataclasses.replace(config, runtime=Runtime()))


def multiple(number, of):
    """The smallest multiple of the positive integer `of` that is at least `number`."""
    return -(-number // of) * of


if __name__ == "__main__":
    define()
    flags.DEFINE_integer(
        "steps",
        110,
        "Steps of each small run; faults have been seen to come after some tens.",
        lower_bound=4,
    )
    PLAN = start(plan, positional=False)  # What follows imports TensorFlow.

import tensorflow as tf

from callbacks import Watchdog
from data import decoding_rate
from model import create_model, create_optimizer, resolve_model
from storage.disk import check_disk, no_disk
from strategy import (
    CLASSES,
    Workers,
    check_compiled,
    check_devices,
    check_folder,
    check_input,
    check_reduction,
    check_run,
    check_same,
    check_versions,
    compare_runs,
    create_strategy,
    join_workers,
    known_clips,
    one_replica,
    report_findings,
    set_precision,
    small_run,
    tolerance,
    tried,
    versions,
    without_bfloat16,
)

MIXED = ("mixed_bfloat16", "mixed_float16")
STATE = 3 * 4  # bytes in a checkpoint of a parameter: itself and two moments


def main(config):
    """Checks this machine, or cluster, with an `Experiment`."""
    with contextlib.ExitStack() as stack:
        workers = stack.enter_context(join_workers(config.runtime))
        # A link or a driver at fault shows as a collective operation that never ends.
        stall = 60 * config.checkpoints.stall_minutes
        watchdog = stack.enter_context(Watchdog(stall))
        workers.meanwhile = watchdog.beat
        check_same(config, workers)
        given = "given" if FLAGS.workdir else None
        workers.compare("flags", {"--steps": FLAGS.steps, "--workdir": given})
        strategy = create_strategy(config.runtime, workers)
        config = comparable(config, strategy.num_replicas_in_sync)
        check = Check(
            config,
            strategy,
            FLAGS.steps,
            is_planned=bool(FLAGS.config),
            workers=workers,
        )
        report_findings(workers, check.findings(FLAGS.workdir))


def comparable(config, replicas):
    """An experiment that any number of replicas computes alike, without random masks.

    Args:
        config: an `Experiment`.
        replicas: how many there will be, on all workers; the batch size becomes a
            multiple.
    """
    parts = config.runtime.accumulation_steps
    batch = multiple(config.data.batch_size, replicas * parts)
    data = dataclasses.replace(config.data, batch_size=batch)
    model = resolve_model(config.model, frames=data.frames, size=data.size)
    model = dataclasses.replace(model, dropout=0.0, drop_path_rate=0.0)
    return dataclasses.replace(config, data=data, model=model)


class Check:
    """The checks of one machine, or of one worker of a cluster.

    Every worker must go through all of them, in their order: they hold collective
    operations.
    """

    def __init__(self, config, strategy, steps, *, is_planned=False, workers=None):
        """Creates the strategy of one replica.

        Args:
            config: a `comparable` experiment.
            strategy: of all replicas.
            steps: of each small run.
            is_planned: whether the experiment is one that is to be run.
            workers: the `Workers`; None for this process alone.
        """
        self.config, self.strategy, self.steps = config, strategy, steps
        self.is_planned, self.workers = is_planned, workers or Workers()
        self.one = one_replica(strategy)
        self.runs, self.parameters = {}, None  # On all replicas, by precision.

    def findings(self, workdir):
        """Yields every `Finding`.

        Args:
            workdir: a run's folder, whose disk is checked; may be None.
        """
        yield from check_devices(self.strategy)
        yield check_versions(versions())
        for dtype in (tf.float32, tf.bfloat16):
            yield from tried(self.workers, "all-reduce", self.reduction(dtype))
        yield from tried(self.workers, "training", self.float32())
        for precision in MIXED:
            found = self.mixed(precision)
            yield from tried(self.workers, f"training, {precision}", found)
        yield from tried(self.workers, "input", self.input())
        if workdir:
            kept = self.config.checkpoints.keep + 2  # The best, and one in writing.
            yield from check_disk(workdir, kept * STATE * (self.parameters or 0))
            yield from check_folder(self.workers, workdir)
        else:
            yield no_disk()

    def reduction(self, dtype):
        """Sums of known values over all replicas."""
        yield check_reduction(self.strategy, dtype)

    def float32(self):
        """All replicas, then one alone, which computes their parts in turn; and XLA."""
        replicas = self.strategy.num_replicas_in_sync
        name = f"float32 on {replicas} replicas"
        everywhere, _ = self.trained(name, self.strategy)
        self.runs["float32"] = everywhere
        yield check_run(everywhere)
        if replicas == 1:
            yield note(
                "1 against all replicas: not compared, there is one. On CPUs, give "
                "--runtime.replicas=2."
            )
        name = "1 replica alone"
        alone, model = self.trained(name, self.one, parts=replicas)
        self.parameters = model.count_params()
        if replicas > 1:
            yield check_run(alone)
            yield compare_runs(everywhere, alone, tolerance())
        device = self.strategy.extended.worker_devices[0]
        share = self.config.data.batch_size // replicas
        share //= self.config.runtime.accumulation_steps
        clips = tf.nest.map_structure(
            lambda values: values[:share], known_clips(self.config.data)
        )
        yield check_compiled(model, device, clips, tolerance())

    def mixed(self, precision):
        """Mixed precision against float32, on all replicas."""
        unfit = []
        if precision == "mixed_bfloat16":  # All of the workers train, or none does.
            unfit = sum(self.workers.gather("no bfloat16", without_bfloat16()), [])
        if unfit:
            yield note(
                f"training, {precision}: not checked, {unfit[0]} has no units for it: "
                "use --runtime.precision=mixed_float16."
            )
            return
        run, _ = self.trained(precision, self.strategy, precision)
        self.runs[precision] = run
        yield check_run(run)
        if "float32" in self.runs:
            yield compare_runs(run, self.runs["float32"], tolerance(precision))

    def trained(self, name, strategy, precision="float32", parts=1):
        """A `SmallRun` of the experiment's model, and the model.

        Args:
            name: of the run.
            strategy: where.
            precision: one of `runtime.precision`.
            parts: how many replicas' parts each replica computes, one after the other.
        """
        parts *= self.config.runtime.accumulation_steps
        logging.info("Training %d steps: %s.", self.steps, name)
        config, optimizer = self.config.model, self.config.optimizer
        set_precision(precision)
        try:
            with strategy.scope():
                model = create_model(config, num_classes=CLASSES, seed=self.config.seed)
                optimizer = create_optimizer(
                    optimizer,
                    model,
                    batch_size=self.config.data.batch_size,
                    steps=self.steps,
                    warmup_steps=self.steps // 10,
                )
                model.compile(
                    optimizer,
                    accumulation_steps=parts,
                    jit_compile=self.config.runtime.jit_compile,
                )
            run = small_run(
                name,
                strategy,
                model,
                self.config.data,
                steps=self.steps,
                after_step=self.workers.alive,
            )
            return run, model
        finally:
            set_precision("float32")

    def input(self):
        """How fast this worker decodes, beside how fast it trains."""
        run = self.runs.get(self.config.runtime.precision)
        if not run:
            yield note("input: not compared, the run to compare with has not ended.")
            return
        own = len(self.strategy.extended.worker_devices)
        replicas = self.strategy.num_replicas_in_sync
        batch = self.config.data.batch_size * own // replicas
        data = dataclasses.replace(self.config.data, batch_size=batch)
        rate = decoding_rate(
            data,
            self.config.views,
            seed=self.config.seed,
            strategy=self.one,
            after_batch=self.workers.alive,
        )
        yield check_input(
            rate,
            run,
            batch,
            videos=data.root or "synthetic videos of 32 x 32 pixels",
            is_judged=bool(data.root) and self.is_planned,
        )


if __name__ == "__main__":
    run(lambda _: main(PLAN), positional=False)
