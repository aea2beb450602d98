"""Reads event files back."""

import tensorflow as tf


def scalars(path):
    """(tag, step, value) of every event in a folder."""
    for file in sorted(path.glob("*")):
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                yield value.tag, event.step, tf.make_ndarray(value.tensor).item()
