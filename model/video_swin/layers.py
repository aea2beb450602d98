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

from model.video_swin.closed_form import attend, gelu_linear, normalise
from model.video_swin.sizes import (
    CHANNELS,
    MLP_RATIO,
    effective_window,
    padded_size,
)
from model.video_swin.sums import add_bias
from model.video_swin.windows import (
    pad_to_multiples,
    relative_position_index,
    window_partition,
    window_regions,
    window_reverse,
)

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


def scaled(branch, scales, index):
    """Casts a branch [B, T, H, W, C] to float32 and scales it.

    Each example has its factor in column `index` of `scales` [B, 2].
    """
    branch = tf.cast(branch, tf.float32)
    if scales is None:
        return branch
    return branch * scales[:, index, None, None, None, None]


class LayerNorm(keras.layers.LayerNormalization):
    """LayerNorm over channels, in float32 under any policy."""

    def __init__(self, epsilon=EPSILON, dtype="float32", **kwargs):
        """Args as those of Keras's layer."""
        super().__init__(epsilon=epsilon, dtype=dtype, **kwargs)

    def call(self, x):
        """[..., C] -> [..., C]."""
        return normalise(x, self.epsilon, self.dtype) * self.gamma + self.beta


class Linear(keras.layers.Layer):
    """A linear layer, initialised as in the official code, on its own or after a norm.

    LayerNorm ends with a gain and a shift of each channel, which make one linear
    function with the layer behind it:

        (gain n + shift) kernel + bias = n (gain kernel) + (shift kernel + bias)

    So they are applied to the kernel, not to the feature map.
    """

    def __init__(self, units, use_bias=True, **kwargs):
        """Args: C of the output, whether there is a bias, and a Keras layer's own."""
        super().__init__(autocast=False, **kwargs)  # a norm is computed in float32
        self.units = units
        self.use_bias = use_bias

    def build(self, shape):
        """Creates the variables for [..., C]."""
        self.kernel = self.add_weight(
            "kernel",
            [shape[-1], self.units],
            initializer=truncated_normal(),
            autocast=False,  # gain and shift are applied in float32
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                "bias", [self.units], initializer="zeros", autocast=False
            )
        self.built = True

    def call(self, x, norm=None, *, factor=None, padding=None):
        """linear(x), or linear(norm(x)), times a factor.

        Args:
            x: [B, ..., C]; only B may be unknown when tracing.
            norm: a `LayerNorm`, applied before.
            factor: [units], by which the result is multiplied; None for 1, which
                makes no copy of the kernel.
            padding: float [...], 1 at tokens of zeros that count as zeros to this layer
                although there is a norm, 0 at all others; None where there are none.

        Returns:
            [B, ..., units] in the compute precision.
        """
        kernel, constant = self.kernel, 0.0 if self.bias is None else self.bias
        if factor is not None:
            kernel, constant = kernel * factor, constant * factor
        if norm is None:
            x = tf.cast(x, self.compute_dtype)
        else:
            x = normalise(x, norm.epsilon, self.compute_dtype)
            shift = tf.reduce_sum(norm.beta[:, tf.newaxis] * kernel, axis=0)
            kernel = norm.gamma[:, tf.newaxis] * kernel
            constant = constant + shift
        y = tf.matmul(
            tf.reshape(x, [-1, x.shape[-1]]), tf.cast(kernel, self.compute_dtype)
        )
        if self.bias is not None or norm is not None:
            y = add_bias(y, tf.cast(constant, self.compute_dtype))
        y = tf.reshape(y, [-1, *x.shape[1:-1], self.units])
        if padding is not None:
            y -= tf.cast(padding[..., tf.newaxis] * shift, y.dtype)
        return y

    def get_config(self):
        """The arguments of `__init__`."""
        config = {"units": self.units, "use_bias": self.use_bias}
        return super().get_config() | config


class GeluLinear(Linear):
    """GELU, then a linear layer."""

    def call(self, x, training=False):
        """[B, ..., C] in the compute precision -> [B, ..., units].

        Where no gradient is wanted, GELU is left to TensorFlow, which on CPUs computes
        it with the linear layer before it.
        """
        if not training:
            return super().call(tf.nn.gelu(x, approximate=False))
        kernel, bias = (tf.cast(v, x.dtype) for v in (self.kernel, self.bias))
        y = gelu_linear(tf.reshape(x, [-1, x.shape[-1]]), kernel, bias)
        return tf.reshape(y, [-1, *x.shape[1:-1], self.units])


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
        x = tf.reshape(x, [-1, frames, height // 2, 2, width // 2, 2, self.dim])
        # The official concatenation: the row changes before the column.
        x = tf.transpose(x, [0, 1, 2, 4, 5, 3, 6])
        x = tf.reshape(x, [-1, frames, height // 2, width // 2, 4 * self.dim])
        return tf.cast(self.reduction(x, self.norm), x.dtype)

    def get_config(self):
        """The arguments of `__init__`."""
        return super().get_config() | {"dim": self.dim}


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
        # Gathering along the second axis keeps the table's gradient dense.
        table = tf.transpose(self.relative_position_bias_table)
        return tf.cast(tf.gather(table, index, axis=1), self.compute_dtype)

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
        factor = tf.repeat([head_dim**-0.5, 1.0, 1.0], self.dim)
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

    def call(self, x, scales=None, training=False):
        """[B, T, H, W, C] -> [B, T, H, W, C].

        Args:
            x: the feature map.
            scales: [B, 2], factors of each example's two branches (stochastic depth);
                None keeps both as they are.
            training: whether gradients are wanted; changes nothing but rounding.
        """
        x += scaled(self.attend(x), scales, 0)
        return x + scaled(self.fc2(self.fc1(x, self.norm2), training), scales, 1)

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
