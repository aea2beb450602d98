"""Whether what XLA compiles computes the same, and how fast it is."""

import statistics
import time

import tensorflow as tf

from configs.command.findings import note, ok, wrong
from configs.command.text import first_line
from strategy.proof.runs import LEAST

CALLS = 10


def check_compiled(model, device, clips, limit):
    """Finds whether loss and gradients agree, plain and compiled, and which is faster.

    Forward and backward only, without random masks: those that are drawn inside a
    compiled function are others.

    Args:
        model: a compiled classifier in float32, created on the device.
        device: its name.
        clips: what `known_clips` returns, as much as one replica takes.
        limit: how far the gradients may be apart, as a fraction of their norm.

    Returns:
        `Finding`.
    """
    inputs, labels, _ = clips
    with tf.device(device):
        batch = tf.constant(inputs["clip"]), tf.constant(labels)
        step = _step(model)
        plain = tf.function(step, autograph=False)
        compiled = tf.function(step, autograph=False, jit_compile=True)
        results, seconds = _timed(plain, batch)
        try:
            others, compiled_seconds = _timed(compiled, batch)
        except (tf.errors.OpError, ValueError, NotImplementedError) as error:
            return note(
                f"XLA: this model does not compile here: {first_line(error)}. Runs do "
                "not need it."
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


def _step(model):
    """Function of clips and labels that returns the loss and the gradients."""

    def step(clip, labels):
        with tf.GradientTape() as tape:
            losses = model.losses_per_example(labels, model(clip, training=False))
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(
            loss,
            model.trainable_variables,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return [loss, *map(tf.convert_to_tensor, gradients)]

    return step


def _timed(function, batch):
    """The results of a function, and the median seconds of a call."""
    results = function(*batch)
    durations = []
    for _ in range(CALLS):
        begin = time.perf_counter()
        float(function(*batch)[0])
        durations.append(time.perf_counter() - begin)
    return results, statistics.median(durations)


def _distance(results, others):
    """Norm of the difference of two lists of tensors as a fraction of their norm."""
    differences = [a - b for a, b in zip(results, others, strict=True)]
    return float(tf.linalg.global_norm(differences) / tf.linalg.global_norm(results))
