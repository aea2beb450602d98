"""A small classifier for other runtimes, and a graph that none of them takes."""

import tensorflow as tf

from configs.schema import Model
from model import create_model

NAMES = ("Fall", "Rise", "ä")
CLIP = (4, 32, 32)
SMALL = Model(
    embed_dim=8,
    depths=(2, 2),  # every second block has shifted windows
    num_heads=(1, 2),
    window_size=(2, 4, 4),
    patch_size=(2, 4, 4),
)


def small_classifier():
    """A classifier of `NAMES` that tells random clips apart."""
    model = create_model(SMALL, num_classes=3, seed=1)
    model.head.kernel.assign(tf.random.stateless_normal([16, 3], [1, 2]))
    return model


class Strange:
    """Stands for a model of operations on text."""

    def __call__(self, clip):
        text = tf.strings.as_string(tf.cast(clip[:, 0, :, 0, 0], tf.float32))
        return tf.cast(tf.strings.length(text), tf.float32)
