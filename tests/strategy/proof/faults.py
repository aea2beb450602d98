"""Reductions that are wrong, as a bad link or a bad driver would make them."""

import tensorflow as tf


class Broken(tf.distribute.ReductionToOneDevice):
    """Sums that a fault has changed."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def reduce_implementation(self, op, value, destinations, options):
        reduced = super().reduce_implementation(op, value, destinations, options)
        return tf.nest.map_structure(self.fault, reduced, expand_composites=True)

    def batch_reduce_implementation(self, op, pairs, options):
        return [
            self.reduce_implementation(op, value, destinations, options)
            for value, destinations in pairs
        ]


def halved(value):
    """The mean of two, where the sum was asked for."""
    return value / tf.cast(2, value.dtype)


def one_value_off(value):
    """A single value that is wrong by the least that can be."""
    flat = tf.reshape(value, [-1])
    off = tf.one_hot(tf.size(flat) - 1, tf.size(flat), dtype=value.dtype)
    return tf.reshape(flat + off, tf.shape(value))


def not_a_number(value):
    """What a report about several GPUs describes."""
    return value * tf.cast(float("nan"), value.dtype)


def broken_strategy(fault, replicas=2):
    """A strategy on logical CPU devices whose reductions have a fault."""
    names = [f"CPU:{index}" for index in range(replicas)]
    return tf.distribute.MirroredStrategy(names, cross_device_ops=Broken(fault))
