"""Window attention and the block around it (Liu et al. 2022, section 3.2).

Shapes are spelt as in `model.video_swin.backbone`.
"""

import math

import numpy as np
import tensorflow as tf
import tf_keras as keras

from model.video_swin.closed_form import attend, gather_bias
from model.video_swin.linear import (
    GeluLinear,
    LayerNorm,
    Linear,
    build,
    feature_map,
    truncated_normal,
)
from model.video_swin.sizes import MLP_RATIO, effective_window, padded_size
from model.video_swin.windows import (
    pad_to_multiples,
    relative_position_index,
    window_partition,
    window_regions,
    window_reverse,
)


def scaled(branch, scales, index):
    """Casts a branch [B, T, H, W, C] to float32 and scales it.

    Each example has its factor in column `index` of `scales` [B, 2].
    """
    branch = tf.cast(branch, tf.float32)
    if scales is None:
        return branch
    return branch * scales[:, index, None, None, None, None]


class WindowAttention(keras.layers.Layer):
    """Multi-head self-attention within windows, with a relative position bias.

    Equation 2 of the paper, SoftMax(Q K^T / sqrt(d) + B) V, for each head of dimension
    d. The bias B is gathered from a table that is learnt.
    """

    def __init__(self, dim, num_heads, window_size, recompute=False, **kwargs):
        """Makes the layer.

        Args:
            dim: C of input and output, a multiple of `num_heads`.
            num_heads: how many heads there are.
            window_size: (t, h, w) as configured; windows may be smaller.
            recompute: whether the backward pass computes the probabilities again
                instead of keeping them (selective recomputation, Korthikanti et al.
                2022, section 5).
            **kwargs: those of a Keras layer.
        """
        super().__init__(autocast=False, **kwargs)  # see `Block`
        self.dim = dim
        self.num_heads = num_heads
        self.window_size = tuple(window_size)
        self.recompute = recompute
        self.qkv = Linear(3 * dim, name="qkv")
        self.projection = Linear(dim, name="projection")

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
        bias = gather_bias(self.relative_position_bias_table, index)
        return tf.cast(bias, self.compute_dtype)

    def call(self, x, norm=None, *, regions=None, padding=None):
        """Attention within windows, of their tokens or of their norm.

        Args:
            x: [B, W, N, C].
            norm: a `LayerNorm`, applied to the tokens before.
            regions: int [W, N], the region of each token; tokens of different regions
                do not attend to each other. None where there is one.
            padding: float [W, N], 1 at tokens of zeros that are no part of the map and
                to which the norm is not applied; None where there are none.

        Returns:
            [B, W, N, C].
        """
        windows, tokens = x.shape[1:3]
        head_dim = self.dim // self.num_heads
        # Scores are by far the largest tensors: the query is scaled instead, and before
        # it is one.
        factor = np.repeat(np.float32([head_dim**-0.5, 1, 1]), self.dim)
        qkv = self.qkv(x, norm, factor=factor, padding=padding)
        x = attend(
            tf.reshape(qkv, [-1, tokens, 3, self.num_heads, head_dim]),
            self.position_bias(tokens),
            regions,
            recompute=self.recompute,
        )
        return self.projection(tf.reshape(x, [-1, windows, tokens, self.dim]))

    def get_config(self):
        """The arguments of `__init__`."""
        return super().get_config() | {
            "dim": self.dim,
            "num_heads": self.num_heads,
            "window_size": self.window_size,
            "recompute": self.recompute,
        }


class Block(keras.layers.Layer):
    """Attention within (shifted) windows, then an MLP, each on a residual branch.

    One of the two consecutive blocks of equation 1: with `shifted` the second, 3D
    SW-MSA, otherwise the first, 3D W-MSA.

    Under a mixed policy branches are computed in low precision and added up in float32,
    as in PyTorch's automatic mixed precision; the sum would lose digits block by block.
    """

    def __init__(
        self,
        dim,
        num_heads,
        window_size,
        shifted,
        recompute_attention=False,
        **kwargs,
    ):
        """Makes the block.

        Args:
            dim: C of input and output, a multiple of `num_heads`.
            num_heads: how many attention heads there are.
            window_size: (t, h, w) as configured; it shrinks to small feature maps.
            shifted: whether windows are shifted by half their sides.
            recompute_attention: see `WindowAttention`.
            **kwargs: those of a Keras layer.
        """
        super().__init__(autocast=False, **kwargs)
        self.dim = dim
        self.shifted = shifted
        self.norm1 = LayerNorm(name="norm1")
        self.attention = WindowAttention(
            dim, num_heads, window_size, recompute_attention, name="attention"
        )
        self.norm2 = LayerNorm(name="norm2")
        self.fc1 = Linear(MLP_RATIO * dim, name="fc1")
        self.fc2 = GeluLinear(dim, name="fc2")

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
        x += scaled(self.attend(x), scales, 0)
        return x + scaled(self.fc2(self.fc1(x, self.norm2)), scales, 1)

    def attend(self, x):
        """Splits a map into windows, attends to their norm, and puts it together again.

        The norm looks at one token at a time and so may come after the partition: what
        it keeps for the backward pass is then what the queries keep, too.
        """
        size = tuple(x.shape[1:4])
        window, shift = effective_window(size, self.attention.window_size)
        padded = padded_size(size, window)
        shifted = self.shifted and any(shift)

        def to_windows(x):
            x = pad_to_multiples(x, window)
            if shifted:
                x = tf.roll(x, [-step for step in shift], axis=[1, 2, 3])
            return window_partition(x, window)

        padding = None
        if padded != size:
            padding = 1 - to_windows(tf.ones([1, *size, 1]))[0, ..., 0]
        regions = window_regions(padded, window, shift) if shifted else None
        x = self.attention(to_windows(x), self.norm1, regions=regions, padding=padding)
        x = window_reverse(x, window, padded)
        if shifted:
            x = tf.roll(x, shift, axis=[1, 2, 3])
        return x if padded == size else x[:, : size[0], : size[1], : size[2]]

    def get_config(self):
        """The arguments of `__init__`."""
        return super().get_config() | {
            "dim": self.dim,
            "num_heads": self.attention.num_heads,
            "window_size": self.attention.window_size,
            "shifted": self.shifted,
            "recompute_attention": self.attention.recompute,
        }
