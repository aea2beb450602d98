"""Patch embedding and merging of Video Swin, and the layers all its parts are made of.

Shapes as in `model.video_swin`.
"""

import math

import numpy as np
import tensorflow as tf
import tf_keras as keras

from model.windows import pad_to_multiples

CHANNELS = 3
EPSILON = 1e-5  # PyTorch's LayerNorm; Keras's default of 1e-3 costs accuracy silently


def build(layer, shape):
    """Creates a layer's variables now, under its own name."""
    with tf.name_scope(layer.name):
        layer.build(shape)


def feature_map(channels):
    """The shape of a feature map; LayerNormalization takes its axis from the rank."""
    return [None, None, None, None, channels]


def truncated_normal():
    """The official initialiser of linear layers and bias tables."""
    return keras.initializers.TruncatedNormal(stddev=0.02)


def linear(units, name, use_bias=True):
    """A linear layer as the official code initialises it."""
    return keras.layers.Dense(
        units, use_bias=use_bias, kernel_initializer=truncated_normal(), name=name
    )


def layer_norm(name):
    """LayerNorm over channels, in float32 under any policy."""
    return keras.layers.LayerNormalization(epsilon=EPSILON, dtype="float32", name=name)


class PatchEmbedding(keras.layers.Layer):
    """Planar clips to normalised patch embeddings: one reshape and one matrix product.

    [B, frames, 3, height, width] -> [B, T, H, W, C]; the clip is padded with zeros
    behind to whole patches.
    """

    def __init__(self, dim, patch, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.patch = tuple(patch)
        self.norm = layer_norm("norm")

    def build(self, _):
        t, h, w = self.patch
        # PyTorch's Conv3d default, which the official code leaves in place here.
        limit = 1 / math.sqrt(CHANNELS * t * h * w)
        self.kernel, self.bias = (
            self.add_weight(
                name, shape, initializer=keras.initializers.RandomUniform(-limit, limit)
            )
            for name, shape in (
                ("kernel", [t, CHANNELS, h, w, self.dim]),
                ("bias", [self.dim]),
            )
        )
        build(self.norm, feature_map(self.dim))
        self.built = True

    def call(self, x):
        t, h, w = self.patch
        frames, _, height, width = x.shape[1:]
        padding = [[0, -frames % t], [0, 0], [0, -height % h], [0, -width % w]]
        if np.any(padding):
            x = tf.pad(x, [[0, 0], *padding])
        grid = (-(-frames // t), -(-height // h), -(-width // w))
        x = tf.reshape(x, [-1, grid[0], t, CHANNELS, grid[1], h, grid[2], w])
        x = tf.transpose(x, [0, 1, 4, 6, 2, 3, 5, 7])
        x = tf.reshape(x, [-1, t * CHANNELS * h * w])
        x = tf.matmul(x, tf.reshape(self.kernel, [-1, self.dim])) + self.bias
        return self.norm(tf.reshape(x, [-1, *grid, self.dim]))

    def get_config(self):
        return super().get_config() | {"dim": self.dim, "patch": self.patch}


class PatchMerging(keras.layers.Layer):
    """Halves height and width, doubles channels: [B, T, H, W, C] -> [.., 2C].

    An odd height or width is padded with zeros behind.
    """

    def __init__(self, dim, **kwargs):
        super().__init__(autocast=False, **kwargs)  # see `Block`
        self.dim = dim
        self.norm = layer_norm("norm")
        self.reduction = linear(2 * dim, "reduction", use_bias=False)

    def build(self, _):
        build(self.norm, feature_map(4 * self.dim))
        build(self.reduction, [None, 4 * self.dim])
        self.built = True

    def call(self, x):
        x = pad_to_multiples(x, (1, 2, 2))
        frames, height, width = x.shape[1:4]
        x = tf.reshape(x, [-1, frames, height // 2, 2, width // 2, 2, self.dim])
        # The official concatenation: the row changes before the column.
        x = tf.transpose(x, [0, 1, 2, 4, 5, 3, 6])
        x = tf.reshape(x, [-1, frames, height // 2, width // 2, 4 * self.dim])
        return tf.cast(self.reduction(self.norm(x)), x.dtype)

    def get_config(self):
        return super().get_config() | {"dim": self.dim}
