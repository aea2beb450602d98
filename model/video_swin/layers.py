"""The layers of Video Swin, in the order of the paper, and what they are made of.

Patch embedding and patch merging are section 3.1 of the paper (Liu et al. 2022), window
attention and the block around it section 3.2.

Shapes are spelt as in `model.video_swin.backbone`.
"""

import math

import numpy as np
import tensorflow as tf

# Not Keras 3: its `fit` fails under MultiWorkerMirroredStrategy, and hub.KerasLayer
# is built on tf_keras.
import tf_keras as keras

from model.video_swin.sums import Linear, add_bias, add_position_bias
from model.video_swin.windows import (
    effective_window,
    pad_to_multiples,
    region_mask,
    relative_position_index,
    window_partition,
    window_reverse,
)

CHANNELS = 3
MLP_RATIO = 4
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
    return Linear(
        units, use_bias=use_bias, kernel_initializer=truncated_normal(), name=name
    )


def layer_norm(name):
    """LayerNorm over channels, in float32 under any policy."""
    return keras.layers.LayerNormalization(epsilon=EPSILON, dtype="float32", name=name)


def scaled(branch, scales, index):
    """Casts a branch [B, T, H, W, C] to float32 and scales it.

    Each example has its factor in column `index` of `scales` [B, 2].
    """
    branch = tf.cast(branch, tf.float32)
    if scales is None:
        return branch
    return branch * scales[:, index, None, None, None, None]


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
        self.norm = layer_norm("norm")

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
        x = tf.reshape(x, [-1, grid[0], t, CHANNELS, grid[1], h, grid[2], w])
        x = tf.transpose(x, [0, 1, 4, 6, 2, 3, 5, 7])
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
        self.norm = layer_norm("norm")
        self.reduction = linear(2 * dim, "reduction", use_bias=False)

    def build(self, _):
        """Creates the variables."""
        build(self.norm, feature_map(4 * self.dim))
        build(self.reduction, [None, 4 * self.dim])
        self.built = True

    def call(self, x):
        """[B, T, H, W, C] -> [B, T, H / 2, W / 2, 2 C], halves rounded up."""
        x = pad_to_multiples(x, (1, 2, 2))
        frames, height, width = x.shape[1:4]
        x = tf.reshape(x, [-1, frames, height // 2, 2, width // 2, 2, self.dim])
        # The official concatenation: the row changes before the column.
        x = tf.transpose(x, [0, 1, 2, 4, 5, 3, 6])
        x = tf.reshape(x, [-1, frames, height // 2, width // 2, 4 * self.dim])
        return tf.cast(self.reduction(self.norm(x)), x.dtype)

    def get_config(self):
        """The arguments of `__init__`."""
        return super().get_config() | {"dim": self.dim}


class WindowAttention(keras.layers.Layer):
    """Multi-head self-attention within windows, with a relative position bias.

    Equation 2 of the paper, SoftMax(Q K^T / sqrt(d) + B) V, for each head of dimension
    d. The bias B is gathered from a table that is learnt.
    """

    def __init__(self, dim, num_heads, window_size, **kwargs):
        """Makes the layer.

        Args:
            dim: C of input and output, a multiple of `num_heads`.
            num_heads: how many heads there are.
            window_size: (t, h, w) as configured; windows may be smaller.
            **kwargs: those of a Keras layer.
        """
        super().__init__(**kwargs)
        self.dim = dim
        self.num_heads = num_heads
        self.window_size = tuple(window_size)
        self.qkv = linear(3 * dim, "qkv")
        self.projection = linear(dim, "projection")

    def build(self, _):
        """Creates the variables."""
        self.relative_position_bias_table = self.add_weight(
            "relative_position_bias_table",
            [math.prod(2 * side - 1 for side in self.window_size), self.num_heads],
            initializer=truncated_normal(),
            # A row is gathered for up to N pairs of tokens: its gradient is a long sum.
            autocast=False,
        )
        build(self.qkv, [None, self.dim])
        build(self.projection, [None, self.dim])
        self.built = True

    def position_bias(self, tokens):
        """B of equation 2 for windows of N tokens: [h, N, N]."""
        index = relative_position_index(self.window_size, tokens)
        # Gathering along the second axis keeps the table's gradient dense.
        table = tf.transpose(self.relative_position_bias_table)
        return tf.cast(tf.gather(table, index, axis=1), self.compute_dtype)

    def call(self, x, mask=None):
        """[B, W, N, C] and a mask [W, N, N] or None -> [B, W, N, C]."""
        windows, tokens = x.shape[1:3]
        head_dim = self.dim // self.num_heads
        qkv = tf.reshape(self.qkv(x), [-1, tokens, 3, self.num_heads, head_dim])
        qkv = tf.transpose(qkv, [2, 0, 3, 1, 4])  # [3, B W, h, N, head_dim]
        query, key, value = tf.unstack(qkv)
        # Scores are by far the largest tensors: scale the query instead, and add bias
        # and mask as one.
        scores = tf.matmul(query * head_dim**-0.5, key, transpose_b=True)
        scores = add_position_bias(scores, self.position_bias(tokens), mask)
        x = tf.matmul(tf.nn.softmax(scores), value)  # [B W, h, N, head_dim]
        x = tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [-1, windows, tokens, self.dim])
        return self.projection(x)

    def get_config(self):
        """The arguments of `__init__`."""
        return super().get_config() | {
            "dim": self.dim,
            "num_heads": self.num_heads,
            "window_size": self.window_size,
        }


class Block(keras.layers.Layer):
    """Attention within (shifted) windows, then an MLP, each on a residual branch.

    One of the two consecutive blocks of equation 1: with `shifted` the second, 3D
    SW-MSA, otherwise the first, 3D W-MSA.

    Under a mixed policy branches are computed in low precision and added up in float32,
    as in PyTorch's automatic mixed precision; the sum would lose digits block by block.
    """

    def __init__(self, dim, num_heads, window_size, shifted, **kwargs):
        """Makes the block.

        Args:
            dim: C of input and output, a multiple of `num_heads`.
            num_heads: how many attention heads there are.
            window_size: (t, h, w) as configured; it shrinks to small feature maps.
            shifted: whether windows are shifted by half their sides.
            **kwargs: those of a Keras layer.
        """
        super().__init__(autocast=False, **kwargs)
        self.dim = dim
        self.shifted = shifted
        self.norm1 = layer_norm("norm1")
        self.attention = WindowAttention(dim, num_heads, window_size, name="attention")
        self.norm2 = layer_norm("norm2")
        self.fc1 = linear(MLP_RATIO * dim, "fc1")
        self.fc2 = linear(dim, "fc2")

    def build(self, _):
        """Creates the variables."""
        for layer in (self.norm1, self.attention, self.norm2, self.fc1):
            build(layer, feature_map(self.dim))
        build(self.fc2, [None, MLP_RATIO * self.dim])
        self.built = True

    def call(self, x, scales=None):
        """[B, T, H, W, C] -> [B, T, H, W, C].

        Args:
            x: the feature map.
            scales: [B, 2], factors of each example's two branches (stochastic depth);
                None keeps both as they are.
        """
        x += scaled(self.attend(self.norm1(x)), scales, 0)
        hidden = tf.nn.gelu(self.fc1(self.norm2(x)), approximate=False)
        return x + scaled(self.fc2(hidden), scales, 1)

    def attend(self, x):
        """Splits a map into windows, attends, and puts it together again."""
        x = tf.cast(x, self.compute_dtype)
        size = x.shape[1:4]
        window, shift = effective_window(size, self.attention.window_size)
        x = pad_to_multiples(x, window)
        padded = x.shape[1:4]
        mask = None
        if self.shifted and any(shift):
            x = tf.roll(x, [-step for step in shift], axis=[1, 2, 3])
            mask = region_mask(padded, window, shift, x.dtype)
        x = self.attention(window_partition(x, window), mask)
        x = window_reverse(x, window, padded)
        if mask is not None:
            x = tf.roll(x, shift, axis=[1, 2, 3])
        return x[:, : size[0], : size[1], : size[2]]

    def get_config(self):
        """The arguments of `__init__`."""
        return super().get_config() | {
            "dim": self.dim,
            "num_heads": self.attention.num_heads,
            "window_size": self.attention.window_size,
            "shifted": self.shifted,
        }
