"""Whether small runs learn, and whether two of them are the same."""

import numpy as np
import tensorflow as tf

from configs.command.findings import note, ok, wrong
from strategy.proof.small_run import BATCHES

# How far two losses may be apart, as a fraction of the first loss.
FLOAT32, ROUNDED = 1e-3, 2e-2
# Norms of gradients may be this much farther apart, as a fraction of the largest norm.
NORMS = 5
LEAST = 1e-9  # that is shown


def tolerance(precision="float32"):
    """How far two runs may be apart; GPUs round the factors of float32 products (TF32).

    Args:
        precision: the one of the run whose values are rounded more.
    """
    rounded = tf.config.experimental.tensor_float_32_execution_enabled()
    rounded = rounded and tf.config.list_physical_devices("GPU")
    return ROUNDED if rounded or precision != "float32" else FLOAT32


def check_run(run):
    """Finds whether every loss of a run is finite and whether it learnt.

    Args:
        run: a `SmallRun`.
    """
    steps = len(run.losses)
    step = _first_not_finite(run)
    if step is not None:
        return wrong(
            f"training, {run.name}: the loss or the gradient norm is not finite at "
            f"step {step} of {steps}.",
            "Do not train like this here. Try one replica (--runtime.replicas=1), then "
            "another release of TensorFlow or of the driver.",
        )
    first, last = run.losses[:BATCHES].mean(), run.losses[-BATCHES:].mean()
    text = (
        f"training, {run.name}: {steps} steps of {1000 * run.seconds:.1f} ms, the loss "
        f"goes from {first:.4f} to {last:.4f}"
    )
    if last >= first:
        return wrong(
            f"{text}: it does not fall.",
            "A model learns these clips at once; look at the lines above.",
        )
    return ok(f"{text}, all finite.")


def compare_runs(run, other, limit):
    """Finds whether two runs on the same clips have the same losses.

    Gradient norms are compared, too: AdamW hides a gradient of the wrong scale.

    Args:
        run: a `SmallRun`.
        other: another one of as many steps.
        limit: how far they may be apart, see `tolerance`.
    """
    subject = f"{run.name} against {other.name}"
    for each in (run, other):
        if _first_not_finite(each) is not None:
            return wrong(
                f"{subject}: not to be compared, {each.name} is not finite.",
                "See its line.",
            )
    losses = np.abs(run.losses - other.losses) / np.abs(other.losses[0])
    norms = np.abs(run.norms - other.norms) / np.abs(other.norms).max()
    text = (
        f"{subject}: over {len(losses)} steps losses differ by at most "
        f"{max(losses.max(), LEAST):.0e} of the first (limit {limit:.0e}), gradient "
        f"norms by {max(norms.max(), LEAST):.0e} of the largest (limit "
        f"{NORMS * limit:.0e}); steps of {1000 * run.seconds:.1f} ms against "
        f"{1000 * other.seconds:.1f} ms."
    )
    apart = (losses > limit) | (norms > NORMS * limit)
    if apart.any():
        return wrong(
            f"{text} They part at step {1 + int(apart.argmax())}.",
            "One of the two is wrong: use the other, and report both.",
        )
    return ok(text)


def check_input(rate, run, batch_size, *, videos, is_judged):
    """Finds whether clips are decoded as fast as a worker trains on them.

    Args:
        rate: clips that this worker decodes in a second when nothing else runs.
        run: the `SmallRun` on all replicas.
        batch_size: clips of this worker in a step.
        videos: what was decoded, in words.
        is_judged: whether videos and model are those of a planned run.
    """
    needed = batch_size / run.seconds
    text = (
        f"input: {rate:.0f} clips/s are decoded of {videos}, a step takes "
        f"{needed:.0f} clips/s"
    )
    if not is_judged:
        return note(
            f"{text}: {rate / needed:.1f} times as many as needed, for clips and a "
            "model that are not those of a run. Give --config and --data.root."
        )
    if rate < needed:
        return wrong(
            f"{text}: devices would wait {1 - rate / needed:.0%} of the time.",
            "Use more cores for each device, a local disk, or smaller videos "
            "(docs/measurements.md, cores per accelerator).",
        )
    return ok(f"{text}: {rate / needed:.1f} times as many as needed.")


def _first_not_finite(run):
    """The step, counted from 1, of a run's first value that is not finite; or None."""
    bad = ~(np.isfinite(run.losses) & np.isfinite(run.norms))
    return 1 + int(bad.argmax()) if bad.any() else None
