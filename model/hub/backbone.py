"""A Hub model as a backbone."""

import re

import tensorflow as tf
import tf_keras as keras
from absl import logging

from configs.command.errors import ConfigError
from configs.command.text import first_line
from model.hub.library import KerasLayer
from model.hub.saved_model import LAYOUTS, local_directory, read_interface
from model.hub.trust import check_graph


class HubBackbone(keras.layers.Layer):
    """A Hub model as a backbone: [B, frames, 3, height, width] -> [B, T, H, W, C].

    Create it within the strategy's scope, so that its variables are mirrored. It keeps
    its own precision; under a mixed policy TensorFlow's automatic rewrite is asked for.
    Its random layers, if it has any, follow `training` but draw for themselves.

    Attributes:
        no_weight_decay: a pattern that finds the names of variables that do not decay:
            norms by the name of their layer or of their variables (Keras: gamma and
            beta), and relative position bias tables. Biases of linear layers do decay.
    """

    # A SavedModel keeps the names of its variables.
    no_weight_decay = re.compile(
        r"norm|(^|/)(gamma|beta)(:0)?$|relative_position_bias_table"
    )

    def __init__(self, handle, *, trusted=False, **kwargs):
        """Loads the model.

        Args:
            handle: a path, a tar file or an address.
            trusted: whether its graph may reach outside itself; see
                `model.hub.trust`.
            **kwargs: those of a Keras layer.

        Raises:
            ConfigError: there is no model behind the handle that maps clips to
                features, or its graph is refused.
        """
        super().__init__(dtype="float32", **kwargs)
        directory = local_directory(handle)
        self.interface = read_interface(directory)
        check_graph(directory, trusted=trusted)
        rewrite_for_mixed_precision(keras.mixed_precision.global_policy())
        self.inner = load(directory)
        self.built = True

    @property
    def num_features(self):
        """C of the output."""
        shape = self.interface.features
        channels = shape[1] if channels_come_first(shape) else shape[-1]
        if channels is None:
            raise ConfigError(
                "model.handle must say how many features it gives; received "
                f"{list(shape)}."
            )
        return channels

    def draw_masks(self, seed):
        """Nothing: a foreign graph takes no masks."""
        del seed
        return ()

    def call(self, x, training=False, masks=()):
        """Features of clips.

        Args:
            x: float [B, frames, 3, height, width], RGB, normalised, of the size that
                the model takes.
            training: whether its random layers are active.
            masks: none; see `draw_masks`.

        Returns:
            float [B, T, H, W, C].
        """
        del masks
        sizes = [x.shape[axis] for axis in (1, 3, 4)]
        if not self.interface.fits(sizes):
            raise ValueError(
                f"The Hub model takes {list(self.interface.clip)}; received clips "
                f"[batch, frames, 3, height, width] = {x.shape}."
            )
        x = tf.transpose(x, LAYOUTS[self.interface.channel_axis])
        features = self.inner(x, training=training)
        if isinstance(features, dict):
            (features,) = features.values()
        return channels_last(features)


def load(directory):
    """A SavedModel as a layer.

    Raises:
        ConfigError: it is damaged or not whole.
    """
    try:
        return KerasLayer(str(directory), trainable=True, dtype="float32")
    except (tf.errors.ResourceExhaustedError, MemoryError):
        raise
    # The loader builds what the files say and does not check them first: a changed
    # byte may end in an error of any kind.
    except Exception as error:
        raise ConfigError(
            "model.handle must be a whole SavedModel as TensorFlow 2 writes it; "
            f"{str(directory)!r} cannot be loaded: {first_line(error)}."
        ) from error


def channels_come_first(shape):
    """Whether features of this shape have their channels on the first axis.

    Of a map's first and last axis the longer one holds the channels, of which there are
    more than frames or columns; pooled features and sequences of tokens end in them.
    """
    return len(shape) > 3 and (shape[1] or 0) > (shape[-1] or 0)


def channels_last(features):
    """Features [n, C, ...], [n, ..., C] or pooled [n, C] -> [n, T, H, W, C]."""
    rank = features.shape.rank
    if channels_come_first(features.shape):
        features = tf.transpose(features, [0, *range(2, rank), 1])
    for _ in range(5 - rank):
        features = tf.expand_dims(features, 1)
    return features


def rewrite_for_mixed_precision(policy):
    """Asks for the automatic rewrite that reaches inside a SavedModel, and says so."""
    if policy.compute_dtype == "float32":
        return
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    rewrites = {
        ("float16", True): "auto_mixed_precision",
        ("bfloat16", False): "auto_mixed_precision_onednn_bfloat16",
    }
    rewrite = rewrites.get((policy.compute_dtype, on_gpu))
    if rewrite is None:
        logging.warning(
            "The Hub model computes in float32: TensorFlow has no automatic rewrite to "
            "%s for this device.",
            policy.compute_dtype,
        )
        return
    logging.info(
        "The Hub model computes in mixed precision by %s; its own long sums, such as "
        "the gradients of biases, are as its graph and TensorFlow compute them.",
        rewrite,
    )
    tf.config.optimizer.set_experimental_options({rewrite: True})
