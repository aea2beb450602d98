"""What the graph of a SavedModel may do, read before it is loaded.

A SavedModel that runs as it is is a program. One whose operations are all known to
compute, and nothing else, runs; any other is refused by the names of its operations
unless the user trusts it (`model.trust_graph`).
"""

import os

import tensorflow as tf
from absl import logging

from configs.command.errors import ConfigError
from model.hub.operations import CHECKPOINTS, COMPUTES
from model.hub.saved_model import read_graph

# Where `PrintV2` may write besides files.
STREAMS = {b"stderr", b"stdout", b"log(info)", b"log(warning)", b"log(error)"}
# Constants that could name what belongs to others in this process.
HANDLES = {tf.resource.as_datatype_enum, tf.variant.as_datatype_enum}
NAMED = 8  # Operations that a message names.


def check_graph(directory, *, trusted):
    """Refuses a SavedModel whose graph may reach outside itself.

    Args:
        directory: of the SavedModel.
        trusted: whether the user trusts it; it is then only named in the log.

    Raises:
        ConfigError: it holds operations that are not known to compute only; the error
            names them.
    """
    found = reaching_out(read_graph(directory))
    if not found:
        return
    names = ", ".join(found[:NAMED])
    if len(found) > NAMED:
        names += f" and {len(found) - NAMED} more"
    if trusted:
        logging.warning(
            "%s is trusted (model.trust_graph) with operations that may touch files, "
            "processes, Python or the network: %s.",
            directory,
            names,
        )
        return
    raise ConfigError(
        "model.handle must hold a graph of operations that are known to compute and "
        f"nothing else; {str(directory)!r} has {names}, which may touch files, "
        "processes, Python or the network. If you trust who made it, "
        "--model.trust_graph=true runs it."
    )


def reaching_out(meta_graph):
    """What in a graph is not known to compute only, sorted.

    Its main graph and every function of its library are read, called or not.

    Args:
        meta_graph: a `MetaGraphDef`.

    Returns:
        list of names of operations, with what is wrong where it is not the operation.
    """
    graph = meta_graph.graph_def
    functions = {function.signature.name for function in graph.library.function}
    for_saver = savers(meta_graph) - called(meta_graph)
    # The main graph of a TensorFlow 2 SavedModel is never run: its objects call
    # functions.
    found = set(objections(graph.node, functions, COMPUTES | CHECKPOINTS))
    for function in graph.library.function:
        saves = function.signature.name in for_saver
        allowed = COMPUTES | CHECKPOINTS if saves else COMPUTES
        found.update(objections(function.node_def, functions, allowed))
        values = [function.attr, *(attr.attr for attr in function.arg_attr.values())]
        values.append({a.name: a.default_value for a in function.signature.attr})
        for attributes in values:
            found.update(unknown_functions(attributes, functions))
    for asset in meta_graph.asset_file_def:
        # Exporting the model again would copy it.
        if os.path.isabs(asset.filename) or ".." in asset.filename.split("/"):
            found.add(f"the asset {asset.filename!r}")
    return sorted(found)


def objections(nodes, functions, allowed):
    """What in some nodes is not known to compute only.

    Args:
        nodes: `NodeDef`s.
        functions: names of the library's functions, whose nodes are read as well.
        allowed: names of operations.

    Yields:
        Names.
    """
    for node in nodes:
        # A function that bears the name of an operation is not one of TensorFlow's.
        calls = node.op in functions and not hasattr(tf.raw_ops, node.op)
        if node.op not in allowed and not calls:
            yield node.op
        if node.op == "PrintV2" and "output_stream" in node.attr:
            stream = node.attr["output_stream"].s
            if stream not in STREAMS:
                yield f"PrintV2 to {stream.decode(errors='replace')!r}"
        yield from unknown_functions(node.attr, functions)
        for value in node.attr.values():
            tensors = [value.tensor, *value.list.tensor]
            if any(tensor.dtype in HANDLES for tensor in tensors):
                yield f"{node.op} of a handle"


def unknown_functions(attributes, functions):
    """Names of functions in attributes that are not in the library."""
    for call in calls_in(attributes):
        if call not in functions:
            yield f"a call of {call!r}, which is not in it"


def calls_in(attributes):
    """Names of functions in attributes, those in attributes of calls included."""
    for value in attributes.values():
        kind = value.WhichOneof("value")
        if kind in ("func", "list"):
            for call in [value.func] if kind == "func" else value.list.func:
                yield call.name
                yield from calls_in(call.attr)


def savers(meta_graph):
    """Names of the functions by which the main graph saves and restores a checkpoint.

    They are there for loaders of TensorFlow 1.
    """
    saver = meta_graph.saver_def
    nodes = {saver.save_tensor_name.partition(":")[0], saver.restore_op_name}
    return {
        call
        for node in meta_graph.graph_def.node
        if node.name in nodes
        for call in calls_in(node.attr)
    }


def called(meta_graph):
    """Names of the functions that anything but the main graph may call.

    An object, another function, a gradient, custom or not, or TensorFlow's optimizer,
    which puts one function in place of another that says it implements the same.
    """
    library = meta_graph.graph_def.library
    objects = meta_graph.object_graph_def
    names = set(objects.concrete_functions)
    for node in objects.nodes:
        names.update(node.function.concrete_functions)
        names.add(node.bare_concrete_function.concrete_function_name)
    for gradient in library.gradient:
        names |= {gradient.function_name, gradient.gradient_func}
    names.update(gradient.gradient_func for gradient in library.registered_gradients)
    for function in library.function:
        if "api_implements" in function.attr:
            names.add(function.signature.name)
        for attributes in (function.attr, *(node.attr for node in function.node_def)):
            names.update(calls_in(attributes))
            names.update(
                value.s.decode(errors="replace") for value in attributes.values()
            )
        names.update(node.op for node in function.node_def)
    return names
