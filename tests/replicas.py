"""Strategies of several replicas on the CPU, and what a replica waits for."""

import tensorflow as tf


def mirrored(replicas):
    """A strategy of logical CPU devices.

    The default collectives of two strategies of different sizes clash within a process,
    over their groups. These need none.
    """
    return tf.distribute.MirroredStrategy(
        [f"CPU:{index}" for index in range(replicas)],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )


def ancestors(operation):
    """All operations of its graph that an operation waits for."""
    found, frontier = set(), [operation]
    while frontier:
        last = frontier.pop()
        before = {*last.control_inputs, *(tensor.op for tensor in last.inputs)} - found
        found |= before
        frontier += before
    return found
