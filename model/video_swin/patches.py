"""Patch embedding and patch merging (Liu et al. 2022, section 3.1).

Shapes are spelt as in `model.video_swin.backbone`.
"""

import math

import numpy as np
import tensorflow as tf
import tf_keras as keras

from model.video_swin.linear import LayerNorm, Linear, build, feature_map
from model.video_swin.sizes import CHANNELS
from model.video_swin.sums import add_bias
from model.video_swin.windows import pad_to_multiples


class PatchEmbedding(keras.layers.Layer):
    """Patch partition and linear embedding: one reshape and one matrix product.

    [B, frames, 3, height, width] -> [B, T, H, W, C], normalised over the channels. The
    clip is padded with zeros behind to whole patches.
    """

    def __init__(self, embed_dim, patch_size, **kwargs):
        """`embed_dim` is C of the output, `patch_size` (frames, height, width)."""
        super().__init__(**kwargs)
        self.embed_dim = embed_dim
        self.patch_size = tuple(patch_size)
        self.norm = LayerNorm(name="norm")

    def build(self, _):
        """Creates the variables."""
        t, h, w = self.patch_size
        # The official code keeps the default of PyTorch's Conv3d here.
        limit = 1 / math.sqrt(CHANNELS * t * h * w)
        self.kernel, self.bias = (
            self.add_weight(
                name, shape, initializer=keras.initializers.RandomUniform(-limit, limit)
            )
            for name, shape in (
                ("kernel", [t, CHANNELS, h, w, self.embed_dim]),
                ("bias", [self.embed_dim]),
            )
        )
        build(self.norm, feature_map(self.embed_dim))
        self.built = True

    def call(self, x):
        """[B, frames, 3, height, width] -> [B, T, H, W, C]."""
        t, h, w = self.patch_size
        frames, _, height, width = x.shape[1:]
        padding = [[0, -frames % t], [0, 0], [0, -height % h], [0, -width % w]]
        if np.any(padding):
            x = tf.pad(x, [[0, 0], *padding])
        grid = (-(-frames // t), -(-height // h), -(-width // w))
        # What stays together counts as one axis: other runtimes transpose six at most.
        x = tf.reshape(x, [-1, t * CHANNELS, grid[1], h, grid[2], w])
        x = tf.transpose(x, [0, 2, 4, 1, 3, 5])
        x = tf.reshape(x, [-1, t * CHANNELS * h * w])
        x = tf.matmul(x, tf.reshape(self.kernel, [-1, self.embed_dim]))
        x = add_bias(x, self.bias)
        return self.norm(tf.reshape(x, [-1, *grid, self.embed_dim]))

    def get_config(self):
        """The arguments of `__init__`."""
        config = {"embed_dim": self.embed_dim, "patch_size": self.patch_size}
        return super().get_config() | config


class PatchMerging(keras.layers.Layer):
    """Halves height and width and doubles the channels, before every later stage.

    [B, T, H, W, C] -> [B, T, H / 2, W / 2, 2 C]: the features of 2 x 2 neighbours are
    concatenated and projected. An odd height or width is padded with zeros behind.
    """

    def __init__(self, dim, **kwargs):
        """`dim` is C of the input."""
        super().__init__(autocast=False, **kwargs)  # see `Block`
        self.dim = dim
        self.norm = LayerNorm(name="norm")
        self.reduction = Linear(2 * dim, use_bias=False, name="reduction")

    def build(self, _):
        """Creates the variables."""
        build(self.norm, feature_map(4 * self.dim))
        build(self.reduction, [None, 4 * self.dim])
        self.built = True

    def call(self, x):
        """[B, T, H, W, C] -> [B, T, H / 2, W / 2, 2 C], halves rounded up."""
        x = pad_to_multiples(x, (1, 2, 2))
        frames, height, width = x.shape[1:4]
        x = tf.reshape(x, [-1, 2, width // 2, 2, self.dim])
        # The official concatenation: the row changes before the column.
        x = tf.transpose(x, [0, 2, 3, 1, 4])
        x = tf.reshape(x, [-1, frames, height // 2, width // 2, 4 * self.dim])
        return tf.cast(self.reduction(x, self.norm), x.dtype)

    def get_config(self):
        """The arguments of `__init__`."""
        return super().get_config() | {"dim": self.dim}
