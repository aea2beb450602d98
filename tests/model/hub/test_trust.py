"""A graph that reaches outside itself is named before it is loaded."""

import re
import shutil

import pytest
import tensorflow as tf
import tf_keras as keras
from tensorflow.core.framework import op_def_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.client import pywrap_tf_session

from configs.command.errors import ConfigError
from configs.schema import Model
from model.backbones import kind_of
from model.hub.backbone import HubBackbone
from model.hub.operations import CHECKPOINTS, COMPUTES
from model.hub.saved_model import read_graph
from model.hub.trust import check_graph, reaching_out

CLIP = tf.TensorSpec([None, 3, 4, 16, 16], tf.float32)


class Backbone(tf.Module):
    """Clips [n, 3, T, H, W] to features, with `effect` two functions below."""

    def __init__(self, effect):
        super().__init__()
        self.effect = effect

    @tf.function(input_signature=[CLIP])
    def inner(self, clip):
        with tf.control_dependencies([self.effect()]):
            return tf.reduce_mean(clip, [2, 3, 4])

    @tf.function(input_signature=[CLIP])
    def __call__(self, clip):
        zeros = tf.zeros([tf.shape(clip)[0], 3])
        return tf.cond(tf.size(clip) > 0, lambda: self.inner(clip), lambda: zeros)


def save(module, folder):
    signature = tf.function(lambda clip: {"features": module(clip)})
    signatures = {"serving_default": signature.get_concrete_function(CLIP)}
    tf.saved_model.save(module, str(folder), signatures)
    return str(folder)


def registered():
    """Every operation that TensorFlow knows, by name."""
    operations = op_def_pb2.OpList()
    content = pywrap_tf_session.TF_GetAllOpList()
    operations.ParseFromString(pywrap_tf_session.TF_GetBuffer(content))
    return {operation.name: operation for operation in operations.op}


def test_what_is_known_to_compute_names_nothing_outside():
    """By TensorFlow's own registry: no input or attribute is a path or an address."""
    operations = registered()
    outside = re.compile(
        "file|path|dir(ectory)?$|address|hostname|url|token|memory_region|socket|"
        "port$|descriptor|service|job|library"
    )
    suspects = {
        (name, word.name)
        for name in COMPUTES
        for word in (*operations[name].input_arg, *operations[name].attr)
        if outside.search(word.name)
    }
    assert suspects == {("CTCBeamSearchDecoder", "top_paths")}  # How many it finds.
    talks = {name for name in COMPUTES if operations[name].is_distributed_communication}
    assert talks == {"StatefulPartitionedCall"}  # Of functions, which are read as well.
    assert operations.keys() >= CHECKPOINTS and not COMPUTES & CHECKPOINTS


def test_a_property_would_not_do():
    """TensorFlow calls these stateless, as if they were functions of their inputs."""
    operations = registered()
    for name in ("ReadFile", "MatchingFiles", "PyFuncStateless", "ImmutableConst"):
        assert not operations[name].is_stateful and name not in COMPUTES


EFFECTS = {
    "ReadFile": lambda: tf.io.read_file("/etc/hostname"),
    "WriteFile": lambda: tf.io.write_file("/tmp/never", "x"),
    "MatchingFiles": lambda: tf.io.matching_files("/*"),
    "PyFunc": lambda: tf.numpy_function(lambda: 1.0, [], tf.float64),
    "EagerPyFunc": lambda: tf.py_function(lambda: 1.0, [], tf.float64),
    "PyFuncStateless": lambda: tf.numpy_function(
        lambda: 1.0, [], tf.float64, stateful=False
    ),
    "ImmutableConst": lambda: tf.raw_ops.ImmutableConst(
        dtype=tf.float32, shape=[], memory_region_name="/etc/hostname"
    ),
    "RestoreV2": lambda: tf.raw_ops.RestoreV2(
        prefix="x", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32]
    )[0],
    "SaveV2": lambda: tf.raw_ops.SaveV2(
        prefix="x", tensor_names=["a"], shape_and_slices=[""], tensors=[1.0]
    ),
    "TextLineDataset": lambda: tf.data.TextLineDataset("/etc/hostname").reduce(
        0, lambda count, _: count + 1
    ),
    "DebugIdentityV2": lambda: tf.raw_ops.DebugIdentityV2(
        input=1.0, debug_urls=["file:///tmp/never"]
    ),
    "CreateSummaryFileWriter": lambda: tf.raw_ops.CreateSummaryFileWriter(
        writer=tf.raw_ops.SummaryWriter(),
        logdir="/tmp/never",
        max_queue=1,
        flush_millis=1,
        filename_suffix="",
    ),
    "PrintV2 to 'file:///tmp/never'": lambda: tf.print(
        "x", output_stream="file:///tmp/never"
    ),
    "FixedUnigramCandidateSampler": lambda: tf.raw_ops.FixedUnigramCandidateSampler(
        true_classes=[[1]],
        num_true=1,
        num_sampled=1,
        unique=True,
        range_max=2,
        vocab_file="/etc/hostname",
    )[0],
}


@pytest.mark.parametrize("name", EFFECTS)
def test_an_operation_that_reaches_outside_is_named_and_refused(tmp_path, name):
    folder = save(Backbone(EFFECTS[name]), tmp_path / "model")
    assert name in reaching_out(read_graph(folder))
    config = Model(handle=folder, backbone="hub")
    with pytest.raises(ConfigError, match="--model.trust_graph=true runs it") as error:
        kind_of(config).check_clip(config, frames=4, size=16)
    assert name in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="known to compute and nothing else"):
        kind_of(config).create(config)


def test_a_trusted_graph_runs_and_the_log_says_what_it_may_do(tmp_path, caplog):
    path = tmp_path / "written"
    module = Backbone(lambda: tf.io.write_file(str(path), "x"))
    folder = save(module, tmp_path / "model")
    config = Model(handle=folder, backbone="hub", trust_graph=True)
    backbone = kind_of(config).create(config)
    assert "is trusted (model.trust_graph)" in caplog.text
    assert "WriteFile" in caplog.text
    assert not path.exists()
    backbone(tf.zeros([1, 4, 3, 16, 16]))
    assert path.read_text() == "x"


def test_a_vocabulary_in_a_file_needs_trust(tmp_path):
    (tmp_path / "words").write_text("a\nb\n")
    file = tf.lookup.TextFileInitializer(
        str(tmp_path / "words"), tf.string, 0, tf.int64, -1
    )
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(file, -1)
    tf.saved_model.save(module, str(tmp_path / "model"))
    found = reaching_out(read_graph(tmp_path / "model"))
    assert found == ["InitializeTableFromTextFileV2"]


def test_a_custom_gradient_that_writes_is_named(tmp_path):
    """Nothing calls its function by name; the tape finds it by the node's type."""

    @tf.custom_gradient
    def hidden(x):
        def gradient(upstream):
            with tf.control_dependencies([EFFECTS["SaveV2"]()]):
                return tf.identity(upstream)

        return tf.identity(x), gradient

    module = tf.Module()
    module.call = tf.function(hidden, input_signature=[CLIP])
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=True)
    tf.saved_model.save(module, str(tmp_path / "model"), options=options)
    graph = read_graph(tmp_path / "model")
    # Without what TensorFlow keeps for its own tape, as in a graph made by hand.
    library = graph.graph_def.library
    gradients = {gradient.gradient_func for gradient in library.registered_gradients}
    assert gradients
    for function in list(library.function):
        for name in ("forward_function_name", "backward_function_name"):
            function.attr.pop(name, None)
        name = function.signature.name
        if name not in gradients and "traced" not in name and saves(function):
            library.function.remove(function)
    for name in gradients:
        graph.object_graph_def.concrete_functions.pop(name, None)
    assert "SaveV2" in reaching_out(graph)


def saves(function):
    return any(node.op == "SaveV2" for node in function.node_def)


class Busy(tf.Module):
    """A loop, a table, strings, prints, random numbers of all kinds, a gradient."""

    def __init__(self):
        super().__init__()
        self.count = tf.Variable(0.0)
        words = tf.lookup.KeyValueTensorInitializer(["a"], [1.0])
        self.table = tf.lookup.StaticHashTable(words, 0.0)
        self.generator = tf.random.Generator.from_seed(1)

    @tf.function(input_signature=[CLIP])
    def __call__(self, clip):
        x = tf.reduce_mean(clip, [2, 3, 4])
        while tf.reduce_sum(x) < 10.0:
            x += 1.0
        if tf.reduce_any(x > 3.0):
            x = tf.nn.dropout(x, 0.5)
        self.count.assign_add(1.0)
        tf.print("seen", self.count)
        tf.debugging.assert_positive(tf.size(x))
        x = tf.map_fn(scaled, x)
        x += self.generator.normal([3]) + tf.random.stateless_uniform([3], [1, 2])
        return x + self.table.lookup(tf.strings.join(["a", tf.as_string(1)]))


@tf.custom_gradient
def scaled(x):
    return x, lambda upstream: 2 * upstream


def recurrent():
    inputs = keras.Input((8, 12))
    x = keras.layers.LSTM(4, return_sequences=True)(inputs)
    return keras.Model(inputs, keras.layers.MultiHeadAttention(1, 2)(x, x))


def convolutional():
    inputs = keras.Input((4, 16, 16, 3))
    x = keras.layers.Conv3D(4, 3, activation="gelu")(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.5)(keras.layers.MaxPooling3D((1, 2, 2))(x))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling3D()(x))
    model.compile("adam", "mse")
    model.fit(tf.zeros([2, 4, 16, 16, 3]), tf.zeros([2, 4]), verbose=0)
    return model


def words():
    inputs = keras.Input((1,), dtype="string")
    return keras.Model(inputs, keras.layers.StringLookup(vocabulary=["a"])(inputs))


@pytest.mark.parametrize("create", [Busy, recurrent, convolutional, words])
def test_what_models_usually_do_needs_no_trust(tmp_path, create):
    model = create()
    if isinstance(model, keras.Model):
        model.save(tmp_path / "model", save_format="tf")
    else:
        tf.saved_model.save(model, str(tmp_path / "model"))
    check_graph(tmp_path / "model", trusted=False)


def test_our_own_and_the_published_need_no_trust(published, converted):
    check_graph(published, trusted=False)
    check_graph(converted, trusted=False)


@pytest.fixture
def changed(published, tmp_path):
    """A copy of a published model whose graph a function changes."""

    def change(edit):
        folder = tmp_path / "changed"
        shutil.copytree(published, folder)
        path = folder / "saved_model.pb"
        proto = saved_model_pb2.SavedModel.FromString(path.read_bytes())
        edit(proto.meta_graphs[0])
        path.write_bytes(proto.SerializeToString())
        return folder

    return change


def functions(graph, name):
    library = graph.graph_def.library.function
    return next(f for f in library if name in f.signature.name)


def unknown_operation(graph):
    graph.graph_def.library.function[0].node_def.add(name="x", op="OfTomorrow")


def in_the_main_graph(graph):
    graph.graph_def.node.add(name="x", op="ReadFile")


def saver_as_object(graph):
    """The function that writes checkpoints becomes one that an object calls."""
    name = functions(graph, "traced_save").signature.name
    node = graph.object_graph_def.nodes.add()
    node.bare_concrete_function.concrete_function_name = name


def saver_called(graph):
    """It is called by another function, in an attribute of an attribute."""
    name = functions(graph, "traced_save").signature.name
    others = graph.graph_def.library.function
    other = next(f for f in others if "traced" not in f.signature.name)
    call = other.node_def.add(name="x", op="PartitionedCall").attr["f"].func
    call.name = other.signature.name
    call.attr["inner"].list.func.add(name=name)


def saver_in_place_of(graph):
    """The optimizer may put it in place of a function of the same interface."""
    functions(graph, "traced_save").attr["api_implements"].s = b"x"


def copy_of_the_saver(graph, name):
    function = graph.graph_def.library.function.add()
    function.CopyFrom(functions(graph, "traced_save"))
    function.signature.name = name


def saver_of_nobody(graph):
    """It is called by nothing that is known here, nor by the main graph."""
    copy_of_the_saver(graph, "other")


def saver_as_gradient(graph):
    """A custom gradient, which a node names by its type, calls the main graph's."""
    gradient = graph.graph_def.library.registered_gradients.add()
    gradient.gradient_func = functions(graph, "traced_save").signature.name
    gradient.registered_op_type = "CustomGradient-1"


def outside_the_library(graph):
    node = graph.graph_def.library.function[0].node_def.add(name="x", op="If")
    node.attr["then_branch"].func.name = "ReadFile"


def named_like_an_operation(graph):
    graph.graph_def.library.function.add().signature.name = "ReadFile"
    graph.graph_def.library.function[0].node_def.add(name="x", op="ReadFile")


def handle_in_a_constant(graph):
    node = graph.graph_def.library.function[0].node_def.add(name="x", op="Const")
    node.attr["value"].tensor.dtype = tf.resource.as_datatype_enum


def asset_elsewhere(graph):
    graph.asset_file_def.add(filename="../../../etc/passwd")


def stream_of_a_caller(graph):
    node = graph.graph_def.library.function[0].node_def.add(name="x", op="PrintV2")
    node.attr["output_stream"].placeholder = "stream"


@pytest.mark.parametrize(
    ("edit", "name"),
    [
        (unknown_operation, "OfTomorrow"),
        (in_the_main_graph, "ReadFile"),
        (saver_as_object, "SaveV2"),
        (saver_called, "SaveV2"),
        (saver_in_place_of, "SaveV2"),
        (saver_of_nobody, "SaveV2"),
        (saver_as_gradient, "SaveV2"),
        (outside_the_library, "a call of 'ReadFile', which is not in it"),
        (named_like_an_operation, "ReadFile"),
        (handle_in_a_constant, "Const of a handle"),
        (asset_elsewhere, "the asset '../../../etc/passwd'"),
        (stream_of_a_caller, "PrintV2 to ''"),
    ],
)
def test_no_way_around(changed, edit, name):
    with pytest.raises(ConfigError, match=re.escape(name)):
        HubBackbone(str(changed(edit)))


def test_several_graphs_are_refused(published, tmp_path):
    """TensorFlow then takes its loader of version 1, which runs the main graph."""
    shutil.copytree(published, tmp_path / "two")
    path = tmp_path / "two" / "saved_model.pb"
    proto = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    proto.meta_graphs.add()
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(
        ConfigError, match="of one graph, as TensorFlow 2 writes it.* 2"
    ):
        HubBackbone(str(tmp_path / "two"), trusted=True)
