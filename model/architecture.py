"""What a checkpoint says about its architecture, and whether it fits it."""

import math
import re

import numpy as np

from configs.errors import ConfigError
from model.names import (
    BLOCK,
    HEAD,
    MERGING,
    NORM,
    PATCH_EMBEDDING,
    PATCH_KERNEL,
    from_official,
    index_names,
    official_names,
    require_same_shapes,
    to_official,
)
from model.windows import relative_position_index

TABLE = "backbone.layers.{}.blocks.{}.attn.relative_position_bias_table"
BLOCK_NAME = re.compile(r"backbone\.layers\.(\d+)\.blocks\.(\d+)\.")


def infer_architecture(tensors):
    """The arguments of `VideoSwin` for official tensors.

    Raises:
        ConfigError: a tensor that tells a part of it is missing or misshapen.
    """
    depths = infer_depths(tensors)
    kernel = required(tensors, PATCH_KERNEL, rank=5)
    tables = [required(tensors, TABLE.format(i, 0), rank=2) for i in range(len(depths))]
    return {
        "embed_dim": kernel.shape[0],
        "depths": depths,
        "heads": tuple(table.shape[1] for table in tables),
        "window": infer_window(len(tables[0]), tensors.get(index_names(depths)[0])),
        "patch": tuple(kernel.shape[2:]),
    }


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
    depths = (max((b for s, b in blocks if s == i), default=0) for i in range(stages))
    return tuple(depth + 1 for depth in depths)


def required(tensors, name, rank):
    """A tensor that must be there and have a rank."""
    value = tensors.get(name)
    if value is None or value.ndim != rank:
        shape = None if value is None else list(value.shape)
        raise ConfigError(f"{name} must have {rank} axes; received {shape}.")
    return value


def infer_window(rows, index):
    """The window (t, h, w) whose bias table has `rows` rows.

    With the index table [N, N] it is certain. Without one it is the window with square
    frames and the largest side, which is right for every released model.
    """
    found = []
    for t, h, w in windows_of(rows):
        if index is None and h == w:
            found.append((t, h, w))
        elif index is not None and index.shape == (t * h * w,) * 2:
            if np.array_equal(index, relative_position_index((t, h, w), t * h * w)):
                found.append((t, h, w))
    if not found:
        shape = None if index is None else list(index.shape)
        raise ConfigError(
            "The relative position tables must be those of a window; received a bias "
            f"table of {rows} rows with an index table of shape {shape}."
        )
    return max(found, key=lambda window: window[2])


def windows_of(rows):
    """All (t, h, w) with (2t - 1)(2h - 1)(2w - 1) = rows."""
    odd = [span for span in range(1, rows + 1, 2) if rows % span == 0]
    for first in odd:
        for second in odd:
            third, rest = divmod(rows, first * second)
            if not rest and third:
                yield (first + 1) // 2, (second + 1) // 2, (third + 1) // 2


def native_shapes(architecture):
    """Shapes of `VideoSwin`'s weights by path, without creating it."""
    rows = math.prod(2 * side - 1 for side in architecture["window"])
    t, h, w = architecture["patch"]
    dim = architecture["embed_dim"]
    shapes = scope("patch_embedding", PATCH_EMBEDDING, (t, 3, h, w, dim), dim, dim, dim)
    stages = list(zip(architecture["depths"], architecture["heads"], strict=True))
    for stage, (depth, heads) in enumerate(stages):
        block = [dim, dim, (rows, heads), (dim, 3 * dim), 3 * dim, (dim, dim), dim]
        block += [dim, dim, (dim, 4 * dim), 4 * dim, (4 * dim, dim), dim]
        for i in range(depth):
            shapes |= scope(f"stage_{stage}_{i}", BLOCK, *block)
        if stage + 1 < len(stages):
            merging = (4 * dim, 2 * dim), 4 * dim, 4 * dim
            shapes |= scope(f"merging_{stage}", MERGING, *merging)
            dim *= 2
    return shapes | scope("norm", NORM, dim, dim)


def scope(prefix, names, *shapes):
    """Shapes by path; a number is the length of a vector."""
    return {
        f"{prefix}/{name}": shape if isinstance(shape, tuple) else (shape,)
        for name, shape in zip(names, shapes, strict=True)
    }


def official_shapes(architecture, classes):
    """Shapes by official name of a backbone and, where `classes` is given, its head."""
    shapes = native_shapes(architecture)
    names = official_names(architecture["depths"])
    if classes is not None:
        (features,) = shapes["norm/gamma"]
        shapes |= {"head/kernel": (features, classes), "head/bias": (classes,)}
        names |= HEAD
    return {
        names[path]: to_official(path, np.broadcast_to(np.float32(0), shape)).shape
        for path, shape in shapes.items()
    }


def infer_classes(tensors):
    """Classes of the head; None without one."""
    sizes = [len(tensors[name]) for name in HEAD.values() if name in tensors]
    return sizes[0] if sizes else None


def to_native(tensors, architecture):
    """Official tensors as our weights by path, the head's as `head/…`.

    Raises:
        ConfigError: with a two-sided list of names and shapes, unless every tensor of
            the model is there and no other; index tables may be absent, not different.
    """
    depths = architecture["depths"]
    window = architecture["window"]
    tensors = dict(tensors)
    index = relative_position_index(window, math.prod(window)).numpy()
    for name in index_names(depths):
        if not np.array_equal(tensors.pop(name, index), index):
            raise ConfigError(f"{name} must be the index table of window {window}.")
    expected = official_shapes(architecture, infer_classes(tensors))
    require_same_shapes(
        expected, {name: value.shape for name, value in tensors.items()}
    )
    return {
        path: from_official(path, tensors[name]).astype(np.float32)
        for path, name in (official_names(depths) | HEAD).items()
        if name in tensors
    }


def to_state_dict(weights, architecture):
    """Our weights by path as the official state dict, index tables included."""
    names = official_names(architecture["depths"]) | HEAD
    window = architecture["window"]
    index = relative_position_index(window, math.prod(window)).numpy().astype(np.int64)
    return {
        names[path]: np.ascontiguousarray(to_official(path, value))
        for path, value in weights.items()
    } | dict.fromkeys(index_names(architecture["depths"]), index)
