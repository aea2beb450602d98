"""Video Swin Transformer (Liu et al. 2022), equal to the official implementation.

The rules that decide the numbers are those of
`mmaction/models/backbones/swin_transformer.py` in the official repository: padding to
whole patches and windows, windows that shrink to small feature maps, odd patch merging.

Shapes: B batch, T H W frames, height and width in patches, C channels, W windows of a
clip, N tokens of a window, h heads.
"""

import math

import numpy as np
import tensorflow as tf

# Not Keras 3: its `fit` fails under MultiWorkerMirroredStrategy, and hub.KerasLayer
# is built on tf_keras.
import tf_keras as keras

from model.patches import (
    CHANNELS,
    PatchEmbedding,
    PatchMerging,
    build,
    feature_map,
    layer_norm,
    linear,
    truncated_normal,
)
from model.windows import (
    effective_window,
    pad_to_multiples,
    region_mask,
    relative_position_index,
    window_partition,
    window_reverse,
)

VARIANTS = {
    "tiny": {"embed_dim": 96, "depths": (2, 2, 6, 2), "heads": (3, 6, 12, 24)},
    "small": {"embed_dim": 96, "depths": (2, 2, 18, 2), "heads": (3, 6, 12, 24)},
    "base": {"embed_dim": 128, "depths": (2, 2, 18, 2), "heads": (4, 8, 16, 32)},
}

MLP_RATIO = 4


class WindowAttention(keras.layers.Layer):
    """Self-attention within windows with a relative position bias.

    [B, W, N, C] and a mask [W, N, N] or None -> [B, W, N, C].
    """

    def __init__(self, dim, heads, window, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.heads = heads
        self.window = tuple(window)
        self.qkv = linear(3 * dim, "qkv")
        self.projection = linear(dim, "projection")

    def build(self, _):
        self.relative_position_bias_table = self.add_weight(
            "relative_position_bias_table",
            [math.prod(2 * side - 1 for side in self.window), self.heads],
            initializer=truncated_normal(),
        )
        build(self.qkv, [None, self.dim])
        build(self.projection, [None, self.dim])
        self.built = True

    def position_bias(self, tokens):
        """[h, N, N]."""
        index = relative_position_index(self.window, tokens)
        # Gathering along the second axis keeps the table's gradient dense.
        table = tf.transpose(self.relative_position_bias_table)
        return tf.gather(table, index, axis=1)

    def call(self, x, mask=None):
        windows, tokens = x.shape[1:3]
        width = self.dim // self.heads
        qkv = tf.reshape(self.qkv(x), [-1, tokens, 3, self.heads, width])
        qkv = tf.transpose(qkv, [2, 0, 3, 1, 4])  # [3, B W, h, N, width]
        query, key, value = tf.unstack(qkv)
        # Scores are by far the largest tensors: scale the query instead, and add bias
        # and mask as one.
        scores = tf.matmul(query * width**-0.5, key, transpose_b=True)
        bias = self.position_bias(tokens)
        if mask is not None:
            bias += mask[:, tf.newaxis]  # [W, h, N, N]
            scores = tf.reshape(scores, [-1, windows, self.heads, tokens, tokens])
            scores = tf.reshape(scores + bias, [-1, self.heads, tokens, tokens])
        else:
            scores += bias
        x = tf.matmul(tf.nn.softmax(scores), value)  # [B W, h, N, width]
        x = tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [-1, windows, tokens, self.dim])
        return self.projection(x)

    def get_config(self):
        config = {"dim": self.dim, "heads": self.heads, "window": self.window}
        return super().get_config() | config


class Block(keras.layers.Layer):
    """Attention within (shifted) windows, then an MLP, each on a residual branch.

    [B, T, H, W, C] -> [B, T, H, W, C]. `scales` [B, 2] multiplies each example's two
    branches (stochastic depth); None keeps both.

    Under a mixed policy branches are computed in low precision and added up in float32,
    as PyTorch's automatic mixed precision does; the sum would lose digits block by
    block.
    """

    def __init__(self, dim, heads, window, shifted, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.dim = dim
        self.shifted = shifted
        self.norm1 = layer_norm("norm1")
        self.attention = WindowAttention(dim, heads, window, name="attention")
        self.norm2 = layer_norm("norm2")
        self.fc1 = linear(MLP_RATIO * dim, "fc1")
        self.fc2 = linear(dim, "fc2")

    def build(self, _):
        for layer in (self.norm1, self.attention, self.norm2, self.fc1):
            build(layer, feature_map(self.dim))
        build(self.fc2, [None, MLP_RATIO * self.dim])
        self.built = True

    def call(self, x, scales=None):
        x += scaled(self.attend(self.norm1(x)), scales, 0)
        hidden = tf.nn.gelu(self.fc1(self.norm2(x)), approximate=False)
        return x + scaled(self.fc2(hidden), scales, 1)

    def attend(self, x):
        """Splits into windows, attends, and puts the map together again."""
        x = tf.cast(x, self.compute_dtype)
        size = x.shape[1:4]
        window, shift = effective_window(size, self.attention.window)
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
        return super().get_config() | {
            "dim": self.dim,
            "heads": self.attention.heads,
            "window": self.attention.window,
            "shifted": self.shifted,
        }


def scaled(branch, scales, index):
    """Each example's branch [B, T, H, W, C] in float32, times its entry of [B, 2]."""
    branch = tf.cast(branch, tf.float32)
    if scales is None:
        return branch
    return branch * scales[:, index, None, None, None, None]


class VideoSwin(keras.layers.Layer):
    """The backbone: normalised planar clips to features.

    Called with float [B, frames, 3, height, width] (RGB) of a clip size known when
    tracing and any batch size; returns [B, T, H, W, C] with C = embed_dim doubled by
    each stage but the first, in float32 under any policy.

    With training=True each example's residual branches are dropped by their own draw
    from `seed`, int [B, 2] (stochastic depth, Huang et al. 2016; the rate rises
    linearly over the blocks to `drop_path`). The draw depends on the example's seed
    only: not on its place in a batch, nor on how a batch is split over replicas.

    `recompute` keeps only the inputs of blocks for the backward pass.
    """

    def __init__(
        self,
        *,
        embed_dim,
        depths,
        heads,
        window=(8, 7, 7),
        patch=(2, 4, 4),
        drop_path=0.0,
        recompute=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.options = {
            "embed_dim": embed_dim,
            "depths": tuple(depths),
            "heads": tuple(heads),
            "window": tuple(window),
            "patch": tuple(patch),
            "drop_path": drop_path,
            "recompute": recompute,
        }
        self.patch_embedding = PatchEmbedding(embed_dim, patch, name="patch_embedding")
        self.stages = []
        self.mergings = []
        for stage, (depth, head_count) in enumerate(zip(depths, heads, strict=True)):
            dim = embed_dim << stage
            if stage:
                merging = PatchMerging(dim // 2, name=f"merging_{stage - 1}")
                self.mergings.append(merging)
            blocks = [
                Block(dim, head_count, window, i % 2 == 1, name=f"stage_{stage}_{i}")
                for i in range(depth)
            ]
            self.stages.append(blocks)
        self.norm = layer_norm("norm")
        self.build(None)

    def build(self, _):
        if self.built:
            return
        with tf.name_scope(self.name):
            for layer in (self.patch_embedding, *self.blocks, *self.mergings):
                build(layer, None)
            build(self.norm, feature_map(self.features))
        self.built = True

    @property
    def features(self):
        """C of the output."""
        return self.options["embed_dim"] << (len(self.stages) - 1)

    @property
    def blocks(self):
        """All blocks in the order of the computation."""
        return [block for stage in self.stages for block in stage]

    def named_weights(self):
        """Variables by their path within the backbone, such as `norm/gamma`."""
        prefix = self.name + "/"
        return {
            weight.name.partition(prefix)[2].removesuffix(":0"): weight
            for weight in self.weights
        }

    def call(self, x, training=False, seed=None):
        check_clip(x.shape)
        scales = iter(self.branch_scales(seed) if training else [()] * len(self.blocks))
        recompute = training and self.options["recompute"]
        x = self.patch_embedding(x)
        for merging, stage in zip([None, *self.mergings], self.stages, strict=True):
            if merging is not None:
                x = merging(x)
            for block in stage:
                run = tf.recompute_grad(block) if recompute else block
                x = run(x, *next(scales))
        return self.norm(x)

    def branch_scales(self, seed):
        """For each block ([B, 2],): 1 / keep where a branch is kept, 0 where dropped.

        () for every block where nothing is ever dropped.
        """
        count = len(self.blocks)
        if not self.options["drop_path"]:
            return [()] * count
        if seed is None:
            raise ValueError(
                "seed must be int [batch, 2] where drop_path > 0 and training=True; "
                "received None."
            )
        keep = 1 - np.linspace(0, self.options["drop_path"], count, dtype=np.float32)
        uniform = tf.map_fn(
            lambda example: tf.random.stateless_uniform([count, 2], example),
            seed,
            fn_output_signature=tf.float32,
        )
        scales = tf.cast(uniform < keep[:, None], tf.float32) / keep[:, None]
        return [(scale,) for scale in tf.unstack(scales, axis=1)]

    def get_config(self):
        return super().get_config() | self.options


def check_clip(shape):
    """Refuses any shape but [B, frames, 3, height, width] with known sizes."""
    if shape.rank != 5 or shape[2] != CHANNELS or None in shape[1:]:
        raise ValueError(
            "The backbone takes clips [batch, frames, 3, height, width] of a size "
            f"known when tracing; received {shape}."
        )
