"""A batch in parts, one after the other, for one update (gradient accumulation)."""

import tensorflow as tf


def accumulate(function, batch, steps, forms):
    """Adds up what a function returns for equal parts of a batch.

    The parts are computed in a loop, not side by side, so that only one of them is in
    memory.

    Args:
        function: of the parts of the elements of `batch`.
        batch: a tuple of structures of tensors [b, ...], b a multiple of `steps`.
        steps: how many parts.
        forms: a structure of `tf.TensorSpec`, those of `function`'s results.

    Returns:
        The sums; without a loop where there is one part.
    """
    if steps == 1:
        return function(*batch)
    parts = tf.nest.map_structure(lambda tensor: _split(tensor, steps), batch)

    def add_part(index, totals):
        part = tf.nest.map_structure(lambda tensor: tensor[index], parts)
        results = function(*part)
        # A sum that waits for something is left alone. Others, where a result is a sum
        # itself, TensorFlow merges with it, at the price of one more copy in memory.
        with tf.control_dependencies([index]):
            return index + 1, tf.nest.map_structure(tf.add, totals, results)

    # Unlike tf.zeros, these do not become constants, which would stay in memory.
    zeros = tf.nest.map_structure(
        lambda form: tf.raw_ops.Empty(shape=form.shape, dtype=form.dtype, init=True),
        forms,
    )
    _, totals = tf.while_loop(
        lambda index, _: index < steps, add_part, (0, zeros), parallel_iterations=1
    )
    return totals


def _split(tensor, steps):
    """[b, ...] -> [steps, b / steps, ...]."""
    shape = tf.shape(tensor)
    size = shape[0] // steps
    return tf.reshape(tensor, tf.concat([[steps, size], shape[1:]], 0))
