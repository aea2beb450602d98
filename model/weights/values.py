"""Weights are finite real numbers that float32 can hold; nothing else trains."""

import reprlib

import numpy as np
import tensorflow as tf

from configs.command.errors import ConfigError

LONGEST_NAME = 500
BUFFERS = ("relative_position_index",)  # integers, that follow from the window


def require_plain_names(tensors, source):
    """Raises ConfigError unless names are texts that can stand in a line.

    Args:
        tensors: names, or tensors by what stands for names in a file.
        source: where they come from, for messages.
    """
    for name in tensors:
        plain = isinstance(name, str) and name.isprintable()
        if not plain or len(name) > LONGEST_NAME:
            raise ConfigError(
                f"Tensors must be called by texts of at most {LONGEST_NAME} letters; "
                f"{str(source)!r} has one called {reprlib.repr(name)}."
            )


def require_finite_floats(tensors, source):
    """Raises ConfigError unless all weights are floats that stay finite in float32.

    Args:
        tensors: by official name.
        source: where they come from, for messages.
    """
    for name, value in tensors.items():
        if name.endswith(BUFFERS):
            continue
        if not is_float(value.dtype):
            raise ConfigError(
                f"{name} must hold floats of at most 64 bits; {str(source)!r} holds "
                f"{value.dtype}."
            )
        with np.errstate(over="ignore"):
            finite = np.isfinite(value.astype(np.float32))
        if not finite.all():
            raise ConfigError(
                f"{name} must be finite in float32; {finite.size - finite.sum()} of "
                f"its {finite.size} values in {str(source)!r} are NaN, infinite or too "
                "large."
            )


def is_float(dtype):
    """Whether a type is float64, float32, float16 or bfloat16, in any byte order."""
    bfloat16 = dtype == tf.bfloat16.as_numpy_dtype
    return bfloat16 or (dtype.kind == "f" and dtype.itemsize <= 8)
