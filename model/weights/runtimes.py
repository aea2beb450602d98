"""What a model for another runtime computes, and the check that the runtime agrees."""

import numpy as np
import tensorflow as tf

from configs.command.errors import ConfigError

CLOSE = 1e-4  # how far probabilities may differ


def clip_function(model, clip, count=None):
    """What is written for another runtime: clips to probabilities.

    Args:
        model: a `model.classifier.Classifier` in float32.
        clip: (frames, height, width) of the clips.
        count: how many clips at once; None for any number.

    Returns:
        `tf.function` of `clip`, uint8 [count, T, 3, H, W], that returns
        {"probabilities": float32 [count, classes]}.
    """
    frames, height, width = clip
    shape = [count, frames, 3, height, width]
    return tf.function(
        lambda clip: {"probabilities": tf.nn.softmax(model(clip))},
        input_signature=[tf.TensorSpec(shape, tf.uint8, name="clip")],
        autograph=False,
    )


def check_runtime(function, compute, *, counts, runtime, form):
    """Has another runtime compute random clips, and refuses one that differs.

    Args:
        function: of `clip_function`.
        compute: the same by the other runtime: uint8 [n, T, 3, H, W] to float32
            [n, classes].
        counts: of the clips of each batch that is tried.
        runtime: its name, for the message.
        form: as what the model is written, with its preposition, likewise.

    Raises:
        ConfigError: the probabilities differ.
    """
    generator = np.random.default_rng(0)
    for count in counts:
        shape = [count, *function.input_signature[0].shape[1:]]
        batch = generator.integers(0, 256, shape, np.uint8)
        difference = np.abs(compute(batch) - function(batch)["probabilities"]).max()
        if not difference < CLOSE:  # Nor where it is NaN.
            raise refusal(
                form,
                f"probabilities of {runtime} differ by {difference:.1e}, more than "
                f"{CLOSE:.0e}",
            )


def refusal(form, why):
    """The error that says why a model cannot be written; see `check_runtime`."""
    return ConfigError(f"The model cannot be written {form}: {why}.")
