"""What `train.py --dry_run` tells: what a run would do, and the commands for it."""

import datetime
import re
import shlex
import sys

from absl import flags

from configs.command.errors import ConfigError
from configs.command.text import counted, say

flags.disclaim_key_flags()


def define_dry_run():
    """Defines --dry_run."""
    flags.DEFINE_bool("dry_run", False, "Try one step, print the plan, keep nothing.")


def check_dry_run(dry_run, workers):
    """Refuses a dry run of several workers: it would have to be one on all of them.

    Args:
        dry_run: whether it is one.
        workers: how many the environment describes.

    Raises:
        ConfigError: says what to do instead.
    """
    if dry_run and workers > 1:
        raise ConfigError(
            f"--dry_run must be of one worker; the environment names {workers}. Try "
            "one with --runtime.cluster=none, and all with check.py."
        )


def say_plan(*plan):
    """Prints the lines of a plan and the commands; see `plan_lines`."""
    for line in (*plan_lines(*plan), *command_lines(plan[1].path, sys.argv)):
        say(line)


def plan_lines(config, folder, clips, calendar, replicas, tried):
    """Yields what a run would do.

    Args:
        config: its `Experiment`, resolved.
        folder: the `UnwrittenFolder` that it would write to.
        clips: its `data.clips.Clips`.
        calendar: its `Calendar`.
        replicas: how many there are.
        tried: the `callbacks.Rehearsal` of its next updates.
    """
    batch, optimizer, runtime = config.data.batch_size, config.optimizer, config.runtime
    left_out = f" ({len(clips.left_out)} left out)" if clips.left_out else ""
    peak = optimizer.peak(batch)
    at_once = batch // (replicas * runtime.accumulation_steps)
    left = calendar.steps - tried.step
    pace = datetime.timedelta(seconds=round(left * tried.step_seconds))
    yield f"Dry run of {folder.path}: {_start(config, folder, tried)}."
    yield (
        f"  data: {len(clips.class_names)} classes; "
        f"{counted(clips.train_size, 'video')} to train{left_out}, "
        f"{clips.validation_size} to validate "
        f"(data.validation={config.data.validation}), {clips.test_size} to test"
    )
    yield (
        f"  length: {counted(calendar.epochs, 'epoch')} of "
        f"{calendar.clips / batch:.6g} steps, {counted(calendar.steps, 'step')} of "
        f"{counted(batch, 'clip')}"
    )
    yield (
        f"  learning rate: peak {peak:g}, of the backbone "
        f"{peak * optimizer.backbone_lr_multiplier:g}; schedule {optimizer.schedule}, "
        f"{optimizer.warmup_epochs:g} epochs of warm-up"
    )
    yield (
        f"  devices: {counted(replicas, 'replica')}, {runtime.precision}, "
        f"{counted(at_once, 'clip')} at once{' on each' if replicas > 1 else ''}"
    )
    yield (
        f"  {'next step' if left else 'a step more'}: loss {tried.loss:.4f}; "
        f"{tried.compile_seconds:.1f} s with tracing and compiling, "
        f"{tried.step_seconds:.2f} s for the one after it"
    )
    yield f"  left: {counted(left, 'step')}, {pace} at that pace, besides measuring"


def command_lines(workdir, arguments):
    """Yields the commands that do what was tried, and what comes after it.

    Args:
        workdir: the run's folder.
        arguments: of the dry run, its program first.
    """
    own = [a for a in arguments if not re.fullmatch("--?dry_run(=.*)?", a)]
    # A flagfile may hold the flag.
    own += ["--nodry_run"] if len(own) == len(arguments) else []
    folder = shlex.quote(str(workdir))
    exported = shlex.quote(f"exported/{workdir.name}")
    yield "Nothing was written, but what a scan of videos found. To train, and then:"
    yield f"  python {shlex.join(own)}"
    yield f"  python evaluate.py --workdir={folder}"
    yield f"  python export.py --workdir={folder} {exported}"


def _start(config, folder, tried):
    """Where the run would begin or go on, and with which weights, in words."""
    if folder.has_checkpoint:
        return f"the run would go on from step {tried.step}"
    if config.init_from:
        return f"a new run would begin, with the weights of {config.init_from}"
    weights = config.model.handle or "random weights"
    return f"a new run would begin, with {weights}"
