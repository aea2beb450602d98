"""Finds, unpacks and reads SavedModels of any origin without running their graph."""

import dataclasses
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from configs.command.errors import ConfigError
from model.hub.cache import downloaded, unpacked
from model.hub.handles import check_handle

SIGNATURE = "serving_default"
VARIABLES = Path("variables", "variables")
# Axes of a clip [B, frames, 3, height, width] in the order a model wants them, by the
# axis on which that model has its channels.
LAYOUTS = {1: (0, 2, 1, 3, 4), 2: (0, 1, 2, 3, 4), 4: (0, 1, 3, 4, 2)}
# What TensorFlow raises on variables that are missing or damaged.
UNREADABLE = (tf.errors.OpError, ValueError, IndexError)


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
    check_handle(handle)
    if Path(handle).is_file():
        directory = unpacked(Path(handle))
    elif Path(handle).is_dir():
        directory = Path(handle)
    else:
        directory = downloaded(str(handle))
    if not (directory / "saved_model.pb").is_file():
        raise ConfigError(
            "model.handle must be a SavedModel (a directory with saved_model.pb, or a "
            f"tar file of one); received {handle!r}."
        )
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
    """The only graph of a SavedModel, as a protocol buffer.

    Raises:
        ConfigError: the file is damaged, or holds several graphs: that is a SavedModel
            of TensorFlow 1, whose loader runs what this one does not.
    """
    path = Path(directory, "saved_model.pb")
    try:
        proto = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise ConfigError(f"{path} must be a whole SavedModel: {error}.") from error
    if len(proto.meta_graphs) != 1:
        raise ConfigError(
            f"{path} must be a whole SavedModel of one graph, as TensorFlow 2 writes "
            f"it; it has {len(proto.meta_graphs)}."
        )
    return proto.meta_graphs[0]


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
    """The error that says what a handle must map, and what this one offers."""
    return ConfigError(
        "model.handle must map one clip [n, 3, frames, height, width], "
        "[n, frames, 3, height, width] or [n, frames, height, width, 3] to features; "
        f"{str(directory)!r} offers {offer}."
    )


def check_interface(interface, *, frames, size):
    """Refuses a Hub model that does not take square clips of a size.

    Args:
        interface: of the model.
        frames: of a clip.
        size: height and width of a clip in pixels.

    Raises:
        ConfigError: naming what the model takes and the flags that would make it fit.
    """
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


def read_variables(directory):
    """The values of a SavedModel's flat list `variables`, empty without one.

    Raises:
        ConfigError: they cannot be read.
    """
    key = "variables/{}/.ATTRIBUTES/VARIABLE_VALUE"
    values = []
    try:
        reader = tf.train.load_checkpoint(str(directory / VARIABLES))
        while reader.has_tensor(key.format(len(values))):
            values.append(reader.get_tensor(key.format(len(values))))
    except UNREADABLE as error:
        raise ConfigError(f"{directory} holds no whole variables: {error}") from error
    return values
