"""Video Swin Transformer (Liu et al. 2022), equal to the official implementation.

The rules that decide the numbers are those of
`mmaction/models/backbones/swin_transformer.py` in the official repository: padding to
whole patches and windows, windows that shrink to small feature maps, odd patch merging.

Shapes: B batch, T H W frames, height and width in patches, C channels, W windows of a
clip, N tokens of a window, h heads.
"""

import re

import numpy as np
import tensorflow as tf
import tf_keras as keras

from model.video_swin.block import Block
from model.video_swin.linear import LayerNorm, build, feature_map
from model.video_swin.patches import PatchEmbedding, PatchMerging
from model.video_swin.recompute import recomputed
from model.video_swin.sizes import CHANNELS


class VideoSwin(keras.layers.Layer):
    """The backbone: normalised planar clips to features (section 3.1 of the paper).

    With training=True each example's residual branches are dropped by their own draw
    from its seed (stochastic depth, Huang et al. 2016; the rate rises linearly over the
    blocks to `drop_path_rate`). The draw depends on the example's seed only: not on its
    position in a batch, nor on how a batch is split over replicas.

    Attributes:
        no_weight_decay: a pattern that finds the names of variables that do not decay:
            norms and relative position bias tables. Biases of linear layers do decay,
            as in the official runs.
    """

    no_weight_decay = re.compile(r"(^|/)norm\d?/|relative_position_bias_table")

    def __init__(
        self,
        *,
        embed_dim,
        depths,
        num_heads,
        window_size=(8, 7, 7),
        patch_size=(2, 4, 4),
        drop_path_rate=0.0,
        recompute="none",
        **kwargs,
    ):
        """Makes the backbone with all its variables.

        Args:
            embed_dim: channels after patch embedding; each later stage doubles them.
            depths: blocks of each stage.
            num_heads: attention heads of each stage.
            window_size: (frames, height, width) of a window, in patches.
            patch_size: (frames, height, width) of a patch, in pixels.
            drop_path_rate: how often the last block drops a branch, in [0, 1).
            recompute: what the backward pass computes again instead of keeping it:
                "none", "attention" (scores and softmax, the largest tensors and the
                cheapest to compute; Korthikanti et al. 2022, section 5), or "block"
                (all of a block but its input; Chen et al. 2016).
            **kwargs: those of a Keras layer.
        """
        super().__init__(**kwargs)
        self.embed_dim = embed_dim
        self.depths = tuple(depths)
        self.num_heads = tuple(num_heads)
        self.window_size = tuple(window_size)
        self.patch_size = tuple(patch_size)
        self.drop_path_rate = drop_path_rate
        self.recompute = recompute
        self.patch_embedding = PatchEmbedding(
            embed_dim, patch_size, name="patch_embedding"
        )
        self.stages = [self.stage(number) for number in range(len(self.depths))]
        self.mergings = [
            PatchMerging(embed_dim << number, name=f"merging_{number}")
            for number in range(len(self.depths) - 1)
        ]
        self.norm = LayerNorm(name="norm")
        self.build(None)

    def stage(self, number):
        """The blocks of a stage, without its patch merging."""
        return [
            Block(
                self.embed_dim << number,
                self.num_heads[number],
                self.window_size,
                shifted=index % 2 == 1,
                recompute_attention=self.recompute == "attention",
                name=f"stage_{number}_{index}",
            )
            for index in range(self.depths[number])
        ]

    def build(self, _):
        """Creates the variables, in the order of blocks, mergings and last norm."""
        if self.built:
            return
        with tf.name_scope(self.name):
            for layer in (self.patch_embedding, *self.blocks, *self.mergings):
                build(layer, None)
            build(self.norm, feature_map(self.num_features))
        self.built = True

    @property
    def num_features(self):
        """C of the output."""
        return self.embed_dim << (len(self.stages) - 1)

    @property
    def architecture(self):
        """The arguments that say what the network is, as a dict."""
        return {
            "embed_dim": self.embed_dim,
            "depths": self.depths,
            "num_heads": self.num_heads,
            "window_size": self.window_size,
            "patch_size": self.patch_size,
        }

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

    def assign_weights(self, weights):
        """Assigns every variable.

        Args:
            weights: arrays by path, as in `named_weights`; others are left aside.
        """
        for path, variable in self.named_weights().items():
            variable.assign(weights[path])

    def call(self, x, training=False, masks=()):
        """Features of clips.

        Args:
            x: float [B, frames, 3, height, width], RGB, normalised; of any batch size
                and of a clip size known when tracing.
            training: whether branches are dropped.
            masks: what `draw_masks` has drawn; needed where branches are dropped.

        Returns:
            [B, T, H, W, C], in float32 under any policy.
        """
        check_clip(x.shape)
        scales = iter(self.branch_scales(masks if training else None))
        recompute = training and self.recompute == "block"
        x = self.patch_embedding(x)
        for merging, stage in zip([None, *self.mergings], self.stages, strict=True):
            if merging is not None:
                x = merging(x)
            for block in stage:
                run = recomputed(block) if recompute else block
                x = run(x, *next(scales))
        return self.norm(x)

    def draw_masks(self, seed):
        """Draws which branches are dropped, by the examples' seeds.

        Args:
            seed: int [B, 2], one for each example.

        Returns:
            float32 [B, blocks, 2]: 1 / keep where a branch is kept, 0 where dropped;
            () where nothing is ever dropped.
        """
        if not self.drop_path_rate:
            return ()
        count = len(self.blocks)
        keep = 1 - np.linspace(0, self.drop_path_rate, count, dtype=np.float32)
        uniform = tf.map_fn(
            lambda example: tf.random.stateless_uniform([count, 2], example),
            seed,
            fn_output_signature=tf.float32,
        )
        return tf.cast(uniform < keep[:, None], tf.float32) / keep[:, None]

    def branch_scales(self, masks):
        """For each block ([B, 2],) of the masks; () where nothing is dropped.

        Args:
            masks: what `draw_masks` returns; None for a call that drops nothing.
        """
        if masks is None or not self.drop_path_rate:
            return [()] * len(self.blocks)
        if not tf.is_tensor(masks):
            raise ValueError(
                "masks must be what draw_masks returns where drop_path_rate > 0 and "
                f"training=True; received {masks!r}."
            )
        return [(scale,) for scale in tf.unstack(masks, axis=1)]

    def get_config(self):
        """The arguments of `__init__`."""
        return (
            super().get_config()
            | self.architecture
            | {"drop_path_rate": self.drop_path_rate, "recompute": self.recompute}
        )


def check_clip(shape):
    """Refuses any shape but [B, frames, 3, height, width] with known sizes."""
    if shape.rank != 5 or shape[2] != CHANNELS or None in shape[1:]:
        raise ValueError(
            "The backbone takes clips [batch, frames, 3, height, width] of a size "
            f"known when tracing; received {shape}."
        )
