"""An arbitrary TensorFlow Hub model behind the backbone's contract."""

import dataclasses
import os
import tarfile
import tempfile
import warnings
import zlib
from pathlib import Path

import tensorflow as tf
import tf_keras as keras
from absl import logging
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from configs.errors import ConfigError
from model.storage import sha256, written_aside

with warnings.catch_warnings():
    # Every run would be told that setuptools wants to drop a module that this imports.
    warnings.simplefilter("ignore")
    import tensorflow_hub as hub

# Axes of a clip [B, frames, 3, height, width] in the order a model wants them, by the
# axis on which that model has its channels.
LAYOUTS = {1: (0, 2, 1, 3, 4), 2: (0, 1, 2, 3, 4), 4: (0, 1, 3, 4, 2)}
SIGNATURE = "serving_default"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interface:
    """What a SavedModel takes and gives, as its signature says; None is any size."""

    clip: tuple[int | None, ...]
    channel_axis: int
    features: tuple[int | None, ...]

    @property
    def sizes(self):
        """(frames, height, width) of the clips it takes."""
        return tuple(
            size
            for axis, size in enumerate(self.clip)
            if axis not in (0, self.channel_axis)
        )

    def fits(self, sizes):
        """Whether clips of (frames, height, width) can be given to it."""
        return all(
            mine in (None, theirs)
            for mine, theirs in zip(self.sizes, sizes, strict=True)
        )


def local_directory(handle):
    """The directory of a SavedModel: a path, a tar file of one, or a Hub address.

    Raises:
        ConfigError: there is no SavedModel behind the handle.
    """
    if Path(handle).is_file():
        directory = unpacked(Path(handle))
    else:
        try:
            directory = Path(hub.resolve(str(handle)))
        except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
            raise ConfigError(
                "model.handle must be a path or an address that can be fetched; "
                f"received {handle!r}: {error}"
            ) from error
    if not (directory / "saved_model.pb").is_file():
        raise ConfigError(
            "model.handle must be a SavedModel (a directory with saved_model.pb, or a "
            f"tar file of one); received {handle!r}."
        )
    return directory


def unpacked(archive):
    """Unpacks a tar file into the cache of downloaded models, once for each content."""
    if not tarfile.is_tarfile(archive):
        raise ConfigError(
            "model.handle must be a directory or a tar file; "
            f"received {str(archive)!r}."
        )
    cache = Path(
        os.environ.get("TFHUB_CACHE_DIR", Path(tempfile.gettempdir(), "tfhub_modules"))
    )
    directory = cache / sha256(archive)
    if not directory.is_dir():
        try:
            with written_aside(directory) as aside, tarfile.open(archive) as file:
                aside.mkdir()
                file.extractall(aside, filter="data")
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise ConfigError(
                "model.handle must be a whole tar file; "
                f"received {str(archive)!r}: {error}"
            ) from error
    return directory


def read_interface(directory):
    """Reads what a SavedModel takes and gives, without loading it onto any device.

    Raises:
        ConfigError: it does not map one clip to features.
    """
    graph = read_graph(directory)
    signatures = graph.signature_def
    if "__call__" not in members(graph.object_graph_def):
        raise refused(directory, "no object that can be called (a TF1 module?)")
    if SIGNATURE not in signatures:
        raise refused(directory, f"only the signatures {sorted(signatures)}")
    inputs, outputs = (
        {name: shape(tensor) for name, tensor in tensors.items()}
        for tensors in (signatures[SIGNATURE].inputs, signatures[SIGNATURE].outputs)
    )
    offer = f"{inputs} -> {outputs}"
    if not len(inputs) == len(outputs) == 1:
        raise refused(directory, offer)
    (clip,), (features,) = inputs.values(), outputs.values()
    axes = [axis for axis in LAYOUTS if len(clip) == 5 and clip[axis] == 3]
    if not axes or len(features) not in (2, 3, 4, 5):
        raise refused(directory, offer)
    return Interface(clip=clip, channel_axis=axes[0], features=features)


def read_graph(directory):
    """The first (in TF2 the only) graph of a SavedModel, as a protocol buffer."""
    path = Path(directory, "saved_model.pb")
    try:
        proto = saved_model_pb2.SavedModel.FromString(path.read_bytes())
        return proto.meta_graphs[0]
    except (DecodeError, IndexError) as error:
        raise ConfigError(f"{path} must be a whole SavedModel: {error}") from error


def members(object_graph):
    """Names of what hangs on the saved object; a TF1 module has no such graph."""
    return {
        child.local_name for node in object_graph.nodes[:1] for child in node.children
    }


def shape(tensor):
    """The shape in a signature as a tuple; () where even the rank is unknown."""
    return tuple(
        None if axis.size < 0 else axis.size for axis in tensor.tensor_shape.dim
    )


def refused(directory, offer):
    return ConfigError(
        "model.handle must map one clip [n, 3, frames, height, width], "
        "[n, frames, 3, height, width] or [n, frames, height, width, 3] to features; "
        f"{str(directory)!r} offers {offer}."
    )


def check_interface(interface, *, frames, size):
    """Raises ConfigError unless a Hub model takes square clips of this size."""
    if interface.fits((frames, size, size)):
        return
    length, height, width = interface.sizes
    if height == width:
        advice = (
            f"set --data.frames={length or frames} --data.size={height or size}, or "
            "choose another handle"
        )
    else:
        advice = "choose another handle, clips are square here"
    raise ConfigError(
        f"model.handle must take clips of data.frames={frames} and data.size={size}; "
        f"it takes {list(interface.clip)}: {advice}."
    )


class HubBackbone(keras.layers.Layer):
    """A Hub model as a backbone: [B, frames, 3, height, width] -> [B, T, H, W, C].

    Create it within the strategy's scope, so that its variables are mirrored. It keeps
    its own precision; under a mixed policy TensorFlow's automatic rewrite is asked for.
    Its random layers, if it has any, follow `training` but not the seeds.
    """

    def __init__(self, handle, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        directory = local_directory(handle)
        self.interface = read_interface(directory)
        rewrite_for_mixed_precision(keras.mixed_precision.global_policy())
        self.inner = hub.KerasLayer(str(directory), trainable=True, dtype="float32")
        self.built = True

    @property
    def features(self):
        """C of the output."""
        shape = self.interface.features
        channels = shape[1] if channels_come_first(shape) else shape[-1]
        if channels is None:
            raise ConfigError(
                "model.handle must say how many features it gives; received "
                f"{list(shape)}."
            )
        return channels

    def call(self, x, training=False, seed=None):
        del seed  # an opaque graph cannot take it
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
        logging.warning("The Hub model has no %s here: float32.", policy.compute_dtype)
        return
    logging.info("The Hub model computes in mixed precision by %s.", rewrite)
    tf.config.optimizer.set_experimental_options({rewrite: True})
