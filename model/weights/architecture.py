"""Infers the architecture of official tensors, and converts them to ours and back.

Before they are converted, they are checked to fit the architecture.
"""

import math
import re

import numpy as np
import tensorflow as tf

from configs.command.errors import ConfigError
from model.video_swin.backbone import VideoSwin
from model.video_swin.windows import relative_position_index
from model.weights.names import (
    HEAD_NAMES,
    PATCH_KERNEL,
    from_official,
    index_names,
    official_names,
    require_same_shapes,
    to_official,
)

# Patches of the largest window: each pair of them has an entry in an index table. Of
# the released models it is 16 x 7 x 7; of 2D models, inflated, 8 x 24 x 24.
LARGEST_WINDOW = 8 * 24 * 24
TABLE = "backbone.layers.{}.blocks.{}.attn.relative_position_bias_table"
BLOCK_NAME = re.compile(r"backbone\.layers\.(\d{1,3})\.blocks\.(\d{1,3})\.")


def infer_architecture(tensors, window_size=None):
    """The arguments of `VideoSwin` for official tensors.

    Args:
        tensors: by official name, of a video model.
        window_size: (t, h, w) where it is known; taken if the tensors do not say it.

    Raises:
        ConfigError: a tensor that tells a part of it is missing or misshapen, or the
            model would be far larger than the checkpoint.
    """
    depths = infer_depths(tensors)
    kernel = required(tensors, PATCH_KERNEL, rank=5)
    tables = [required(tensors, TABLE.format(i, 0), rank=2) for i in range(len(depths))]
    architecture = {
        "embed_dim": kernel.shape[0],
        "depths": depths,
        "num_heads": tuple(table.shape[1] for table in tables),
        "window_size": infer_window_size(
            len(tables[0]), tensors.get(index_names(depths)[0]), window_size
        ),
        "patch_size": tuple(kernel.shape[2:]),
    }
    require_sane_model(architecture, tensors)
    return architecture


def require_sane_model(architecture, tensors):
    """Raises ConfigError where a model would be far larger than its checkpoint.

    So that it is not built: a few tensors of odd shapes can claim any size.
    """
    require_sane_window(architecture["window_size"])
    stages = list(enumerate(architecture["depths"]))
    widths = [architecture["embed_dim"] << stage for stage, _ in stages]
    # Attention has 4 C^2 weights, the perceptron 8 C^2.
    claimed = sum(12 * depth * widths[stage] ** 2 for stage, depth in stages)
    found = sum(value.size for value in tensors.values())
    if claimed > 2 * found + 10_000:
        raise ConfigError(
            f"The checkpoint must hold the model that its names and shapes describe, "
            f"{claimed:,} weights and more; it holds {found:,} values."
        )
    for width, heads in zip(widths, architecture["num_heads"], strict=True):
        if width % heads:
            raise ConfigError(
                f"The channels of the stages, {widths}, must be multiples of their "
                f"heads; received {list(architecture['num_heads'])}."
            )


def require_sane_window(window_size):
    """Raises ConfigError where a window is larger than any that is known."""
    if math.prod(window_size) > LARGEST_WINDOW:
        raise ConfigError(
            f"A window must have at most {LARGEST_WINDOW} patches; received "
            f"{window_text(window_size)}."
        )


def infer_depths(tensors):
    """Blocks of each stage, counted by their names."""
    blocks = {
        (int(match[1]), int(match[2]))
        for match in map(BLOCK_NAME.match, tensors)
        if match
    }
    if not blocks:
        raise ConfigError(
            "The checkpoint must hold tensors backbone.layers.0.blocks.0.… and so on; "
            f"received {sorted(tensors)[:3]} and {max(len(tensors) - 3, 0)} more."
        )
    stages = 1 + max(stage for stage, _ in blocks)
    depths = [0] * stages
    for stage, block in blocks:
        depths[stage] = max(depths[stage], block + 1)
    if 0 in depths or sum(depths) > len(blocks):
        raise ConfigError(
            f"The checkpoint must hold all blocks of its stages; of {depths} by their "
            f"numbers it holds {len(blocks)}."
        )
    return tuple(depths)


def required(tensors, name, rank):
    """A tensor that must be there, have a rank and not be empty."""
    value = tensors.get(name)
    if value is None or value.ndim != rank or 0 in value.shape:
        shape = None if value is None else list(value.shape)
        raise ConfigError(
            f"{name} must have {rank} axes, none of length 0; received {shape}."
        )
    return value


def infer_window_size(rows, index, known=None):
    """The window size (t, h, w) whose bias table has `rows` rows.

    With the index table [N, N] it is certain. Without one it is the window that is
    known, or else the only one with square frames of more than one patch: 1521 rows are
    those of 5 x 7 x 7 and of 1 x 20 x 20, but those of every released model are clear.

    Args:
        rows: of the first bias table.
        index: the first index table; None where the checkpoint holds none.
        known: the window size that a user or an inflation says; None without one.

    Raises:
        ConfigError: no window has such tables, or several have and none is known.
    """
    fitting = list(window_sizes_of(rows))
    if index is not None:
        fitting = [size for size in fitting if has_index_table(size, index)]
    elif known in fitting:
        return known
    else:
        fitting = [(t, h, w) for t, h, w in fitting if h == w]
    if not fitting:
        shape = None if index is None else list(index.shape)
        raise ConfigError(
            "The relative position tables must be those of a window; received a bias "
            f"table of {rows} rows with an index table of shape {shape}."
        )
    likely = [
        size for size in fitting if size[1] > 1 and math.prod(size) <= LARGEST_WINDOW
    ]
    if index is None and len(likely) > 1:
        received = "" if known is None else f"; received {window_text(known)}"
        raise ConfigError(
            f"--window_size must say which window the checkpoint has, as its bias "
            f"tables of {rows} rows are those of "
            f"{', '.join(map(window_text, likely))}{received}."
        )
    return max(likely or fitting, key=lambda size: size[2])


def has_index_table(window_size, index):
    """Whether an index table is that of a window."""
    patches = math.prod(window_size)
    return index.shape == (patches, patches) and np.array_equal(
        index, relative_position_index(window_size, patches)
    )


def window_text(window_size):
    """A window as its flag takes it: `8x7x7`."""
    return "x".join(map(str, window_size))


def window_sizes_of(rows):
    """All (t, h, w) with (2t - 1)(2h - 1)(2w - 1) = rows."""
    odd = [span for span in range(1, rows + 1, 2) if rows % span == 0]
    for first in odd:
        for second in odd:
            third, rest = divmod(rows, first * second)
            if not rest and third:
                yield (first + 1) // 2, (second + 1) // 2, (third + 1) // 2


def official_shapes(architecture, num_classes):
    """Shapes by official name, in the order of computation.

    They are read from a `VideoSwin` that is built for this, which takes half a second
    for a Swin-B.

    Args:
        architecture: the arguments of `VideoSwin`.
        num_classes: of the head that follows; None without one.
    """
    # Not in a graph of its own, which would need no memory: there Keras turns the
    # classes of layers into those of TensorFlow 1, and all layers that exist break.
    with tf.variable_creator_scope(zeros):
        backbone = VideoSwin(**architecture)
    shapes = {path: tuple(v.shape) for path, v in backbone.named_weights().items()}
    names = official_names(architecture["depths"])
    if num_classes is not None:
        shapes["head/kernel"] = (backbone.num_features, num_classes)
        shapes["head/bias"] = (num_classes,)
        names |= HEAD_NAMES
    return {
        name: to_official(path, np.broadcast_to(np.float32(0), shapes[path])).shape
        for path, name in names.items()
    }


def zeros(next_creator, **options):
    """Creates a variable of zeros, which takes less time than random weights."""
    shape = options["shape"]
    return next_creator(**options | {"initial_value": lambda: tf.zeros(shape)})


def infer_num_classes(tensors):
    """How many classes the head tells apart; None without one."""
    shapes = [tensors[name].shape for name in HEAD_NAMES.values() if name in tensors]
    return next((shape[0] for shape in shapes if shape), None)


def to_native(tensors, architecture):
    """Official tensors as our weights by path, the head's as `head/…`.

    Raises:
        ConfigError: with a two-sided list of names and shapes, unless every tensor of
            the model is there and no other; index tables may be absent, not different.
            Also where the head has no class.
    """
    depths, window_size = architecture["depths"], architecture["window_size"]
    tensors = dict(tensors)
    index = index_table(window_size)
    for name in index_names(depths):
        if not np.array_equal(tensors.pop(name, index), index):
            raise ConfigError(
                f"{name} must be the index table of window {window_size}."
            )
    num_classes = infer_num_classes(tensors)
    if num_classes == 0:
        raise ConfigError("The head must tell classes apart; it has none.")
    expected = official_shapes(architecture, num_classes)
    require_same_shapes(
        expected, {name: value.shape for name, value in tensors.items()}
    )
    return {
        path: from_official(path, tensors[name]).astype(np.float32)
        for path, name in (official_names(depths) | HEAD_NAMES).items()
        if name in tensors
    }


def to_state_dict(weights, architecture):
    """Our weights by path as the official state dict, index tables included."""
    names = official_names(architecture["depths"]) | HEAD_NAMES
    index = index_table(architecture["window_size"]).astype(np.int64)
    return {
        names[path]: np.ascontiguousarray(to_official(path, value))
        for path, value in weights.items()
    } | dict.fromkeys(index_names(architecture["depths"]), index)


def index_table(window_size):
    """int32 [N, N]: what every block of the official model stores for its window."""
    return relative_position_index(window_size, math.prod(window_size)).numpy()
