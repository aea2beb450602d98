"""Whether what XLA compiles computes the same, and how fast it is."""

import statistics
import time

import tensorflow as tf

from configs.command.findings import note, ok, wrong
from configs.command.text import first_line
from strategy.proof.runs import LEAST

CALLS = 10


def check_compiled(model, device, clips, limit):
    """Finds whether gradients agree, plain and compiled, and which is faster.

    Forward and backward pass, as a run with `runtime.jit_compile` has them compiled.

    Args:
        model: a compiled classifier in float32, created on the device.
        device: its name.
        clips: what `known_clips` returns, as much as one replica takes.
        limit: how far the gradients may be apart, as a fraction of their norm.

    Returns:
        `Finding`.
    """
    with tf.device(device):
        inputs, labels, weights = tf.nest.map_structure(tf.constant, clips)
        masks = model.draw_masks(inputs["seed"])
        part = {"clip": inputs["clip"], "masks": masks}, labels, weights, weights
        step = model.sums_and_gradients
        plain = tf.function(step, autograph=False)
        compiled = tf.function(step, autograph=False, jit_compile=True)
        results, seconds = _timed(plain, part)
        try:
            others, compiled_seconds = _timed(compiled, part)
        except (tf.errors.OpError, ValueError, NotImplementedError) as error:
            return note(
                f"XLA: this model does not compile here: {first_line(error)}. Keep "
                "runtime.jit_compile=false."
            )
    distance = _distance(results, others)
    text = (
        "XLA: gradients, plain and compiled, differ by "
        f"{max(distance, LEAST):.0e} of their norm (limit {limit:.0e}); "
        f"{1000 * seconds:.1f} ms plain, "
        f"{1000 * compiled_seconds:.1f} ms compiled."
    )
    if not distance <= limit:  # NaN, too.
        return wrong(text, "One of them is wrong: report it with the versions above.")
    return ok(text)


def _timed(function, part):
    """The gradients that a function returns, and the median seconds of a call."""
    _, gradients = function(*part)
    durations = []
    for _ in range(CALLS):
        begin = time.perf_counter()
        float(function(*part)[0]["loss"])
        durations.append(time.perf_counter() - begin)
    return gradients, statistics.median(durations)


def _distance(results, others):
    """Norm of the difference of two lists of tensors as a fraction of their norm."""
    differences = [a - b for a, b in zip(results, others, strict=True)]
    return float(tf.linalg.global_norm(differences) / tf.linalg.global_norm(results))
