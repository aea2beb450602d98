"""SavedModels published by the predecessor, as official tensors.

They hold a flat list `variables`: patch embedding; for each stage its blocks and, but
for the last, its merging; then all index tables, which are not trained; last the final
norm. Nothing but order, names and shapes tells one from another, so all are checked.
"""

import numpy as np

from configs.command.errors import ConfigError
from model.hub.saved_model import read_graph, read_variables
from model.weights.names import (
    BLOCK,
    MERGING,
    PATCH_EMBEDDING,
    index_names,
    official_names,
    to_official,
)

INDEX_TABLE = "relative_position_index"


def read_predecessor(directory):
    """Tensors of a predecessor's SavedModel by official name.

    Raises:
        ConfigError: the list is not the one described above.
    """
    values, names = read_list(directory)
    tables = [i for i, value in enumerate(values) if value.dtype.kind == "i"]
    if not tables or tables[-1] - tables[0] + 1 != len(tables) or values[0].ndim != 5:
        raise refused(
            directory, "a patch kernel first, and index tables behind one another"
        )
    depths = read_depths(values[: tables[0]])
    paths = list(official_names(depths))
    order = paths[:-2] + [INDEX_TABLE] * sum(depths) + paths[-2:]
    if len(order) != len(values):
        raise refused(directory, f"{len(order)} variables for depths {depths}")
    for index, (path, name) in enumerate(zip(order, names, strict=True)):
        # Index tables are told by their type; their names vary.
        if name and path != INDEX_TABLE and leaf(name) != leaf(path):
            raise refused(directory, f"{path} as variable {index}, not {name}")
    weights = [value for value in values if value.dtype.kind != "i"]
    # [t, h, w, 3, E] there, [t, 3, h, w, E] here.
    weights[0] = np.transpose(weights[0], (0, 3, 1, 2, 4))
    tensors = {
        official: to_official(path, value)
        for (path, official), value in zip(
            official_names(depths).items(), weights, strict=True
        )
    }
    indices = (values[index] for index in tables)
    return tensors | dict(zip(index_names(depths), indices, strict=True))


def read_list(directory):
    """The values of `variables` and their names, "" where none is kept."""
    values = read_variables(directory)
    if not values:
        raise refused(directory, "a flat list of variables")
    nodes = read_graph(directory).object_graph_def.nodes
    members = children(nodes[children(nodes[0])["variables"]])
    names = [nodes[members[str(i)]].variable.name for i in range(len(values))]
    return values, names


def children(node):
    """Ids of an object's children by name."""
    return {child.local_name: child.node_id for child in node.children}


def read_depths(values):
    """Blocks of each stage, from the list up to its first index table."""
    depths = [0]
    position = len(PATCH_EMBEDDING)
    while position < len(values):
        if values[position].ndim == 1:  # a block begins with a norm
            depths[-1] += 1
            position += len(BLOCK)
        else:
            depths.append(0)
            position += len(MERGING)
    return tuple(depths)


def leaf(name):
    """The last part of a variable's name or path."""
    return name.removesuffix(":0").rpartition("/")[2]


def refused(directory, expected):
    """The error that says what a SavedModel without a description must hold."""
    return ConfigError(
        "A SavedModel without assets.extra/model.json must hold the variables of the "
        f"published Video Swin models; {str(directory)!r} does not have {expected}."
    )
