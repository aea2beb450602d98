"""The whole model: uint8 clips in, float32 logits out.

Normalisation is part of the model, so that training, evaluation, prediction and the
exported SavedModel cannot disagree about it.
"""

import tensorflow as tf
import tf_keras as keras

from model.training import Trainable

# Of RGB values in 0..255; official file configs/recognition/swin/*.py, img_norm_cfg.
MEAN = (123.675, 116.28, 103.53)
STANDARD_DEVIATION = (58.395, 57.12, 57.375)

# Folded into an example's seed, so that the head's mask is drawn apart from the
# backbone's stochastic depth.
HEAD_SALT = 1


def normalise(clip):
    """Normalises RGB clips.

    Args:
        clip: uint8 [b, T, 3, H, W] in 0..255.

    Returns:
        The same shape in the compute precision of the global policy.
    """
    shape = (1, 1, 3, 1, 1)
    clip = (tf.cast(clip, tf.float32) - tf.reshape(MEAN, shape)) / tf.reshape(
        STANDARD_DEVIATION, shape
    )
    return tf.cast(clip, keras.mixed_precision.global_policy().compute_dtype)


def draw_kept(seed, count, rate):
    """Draws which features dropout keeps, a pure function of each example's seed.

    Keras's own layer keeps its random state outside checkpoints; this one has none, so
    that a resumed run, and any number of replicas, draws the same masks.

    Args:
        seed: int32 [b, 2].
        count: how many features an example has.
        rate: fraction dropped, in [0, 1).

    Returns:
        bool [b, count]; () where nothing is dropped.
    """
    if rate == 0:
        return ()
    uniform = tf.map_fn(
        lambda example: tf.random.stateless_uniform(
            [count], tf.random.experimental.stateless_fold_in(example, HEAD_SALT)
        ),
        seed,
        fn_output_signature=tf.float32,
    )
    return uniform >= rate


def pool(features):
    """The mean over space and time: [b, T', H', W', C] -> [b, C]."""
    return tf.reduce_mean(features, axis=(1, 2, 3))


class Classifier(Trainable):
    """A backbone and an I3D head: mean over space and time, dropout, dense layer.

    Called with uint8 [b, T, 3, H, W] in 0..255 (RGB), or with a dict of that "clip" and
    the "masks" (see `draw_masks`) which training needs. Returns float32 logits
    [b, classes].

    Head: official file mmaction/models/heads/i3d_head.py (dense weights normal with
    standard deviation 0.01).

    Attributes:
        backbone: a `model.backbones.Backbone`, normalised float [b, T, 3, H, W] ->
            features [b, T', H', W', C].
        head: the dense layer, float32 whatever the precision of the backbone.
    """

    def __init__(self, backbone, num_classes, *, dropout=0.0):
        """Creates the head; the backbone comes with its variables.

        Args:
            backbone: a `model.backbones.Backbone`.
            num_classes: how many classes the head tells apart.
            dropout: fraction of the features dropped in training, in [0, 1).
        """
        # Masks are drawn in float32, in which each layer casts them itself.
        super().__init__(name="classifier", autocast=False)
        self.backbone = backbone
        self.dropout = dropout
        self.head = keras.layers.Dense(
            num_classes,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            dtype="float32",
            name="head",
        )

    def draw_masks(self, seed):
        """Draws the masks of backbone and head; see `Trainable`."""
        return {
            "backbone": self.backbone.draw_masks(seed),
            "head": draw_kept(seed, self.backbone.num_features, self.dropout),
        }

    def call(self, inputs, training=False):
        """Computes logits; see the class."""
        if not isinstance(inputs, dict):
            inputs = {"clip": inputs}
        masks = inputs["masks"] if training else {"backbone": (), "head": ()}
        features = self.pooled(
            inputs["clip"], training=training, masks=masks["backbone"]
        )
        if tf.is_tensor(masks["head"]):
            kept = features / (1 - self.dropout)
            features = tf.where(masks["head"], kept, tf.zeros_like(features))
        return self.head(features)

    def pooled(self, clip, *, training=False, masks=()):
        """The features of clips, before the head: their mean over space and time.

        Args:
            clip: see `features`, as for all that follow.
            training: whether the masks count.
            masks: of the backbone.

        Returns:
            float32 [b, C].
        """
        return pool(self.features(clip, training=training, masks=masks))

    def features(self, clip, *, training=False, masks=()):
        """What the backbone gives for clips.

        Args:
            clip: uint8 [b, T, 3, H, W] in 0..255.
            training: whether the masks count.
            masks: of the backbone, see `draw_masks`.

        Returns:
            float32 [b, T', H', W', C].
        """
        features = self.backbone(normalise(clip), training=training, masks=masks)
        return tf.cast(features, tf.float32)

    def losses_per_example(self, labels, logits):
        """Cross-entropy with label smoothing: int [b], [b, classes] -> float32 [b]."""
        num_classes = logits.shape[-1]
        targets = tf.one_hot(labels, num_classes) * (1 - self.label_smoothing)
        targets += self.label_smoothing / num_classes
        return tf.nn.softmax_cross_entropy_with_logits(targets, logits)
