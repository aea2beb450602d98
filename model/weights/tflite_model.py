"""Writes a classifier for TensorFlow Lite, and checks that its interpreter agrees.

The file needs the operators that every interpreter has (LiteRT, which was called
TensorFlow Lite), and none of TensorFlow's own.
"""

import json
import re
import warnings
import zipfile

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from configs.command.text import first_line
from model.hub.saved_model import SIGNATURE
from model.weights.outputs import TFLITE, require_new_file
from model.weights.runtimes import check_runtime, clip_function, refusal
from storage.files import remove, written_aside

FLOAT32 = tf.float32.as_datatype_enum
FORM = "for TensorFlow Lite"
# Behind these, the error function is 1 or -1 in float32.
ERF_BOUND = 3.7439211627767994
# erf(x) = x P(x^2) / Q(x^2), the highest power first: the rational function by which
# XLA computes it in float32 (xla/client/lib/math.cc, ErfImpl32).
ERF_P = (
    *(0.00022905065861350646, 0.0034082910107109506, 0.050955695062380861),
    *(0.18520832239976145, 1.128379143519084),
)
ERF_Q = (
    *(-1.1791602954361697e-7, 0.000023547966471313185, 0.0010179625278914885),
    *(0.014070470171167667, 0.11098505178285362, 0.49746925110067538, 1.0),
)


def write_tflite(output, model, clip, class_names, protocol):
    """Writes a model as a TensorFlow Lite file that stands for itself.

    Its signature `serving_default` takes one `clip`, uint8 [1, T, 3, H, W] in 0..255,
    RGB, and gives `probabilities`, float32 [1, classes]. The file is a ZIP archive,
    too, as those with associated files are: `class_names.json` and `protocol.json` lie
    in it. Before it appears, the interpreter computes clips with it.

    Args:
        output: `Path` of the file, which must not exist.
        model: a `model.classifier.Classifier` in float32.
        clip: (frames, height, width) of the clips.
        class_names: in the order of the probabilities.
        protocol: dict of JSON values: how clips were cut, as far as is known.

    Raises:
        ConfigError: the file exists, the graph holds what the interpreter lacks, or it
            computes something else.
        StorageError: the file cannot be written.
    """
    require_new_file(output, TFLITE, "OUTPUT")
    function = clip_function(model, clip, count=1)
    with written_aside(output) as aside:
        content = _converted(function, aside)
        _compare(content, function)
        aside.write_bytes(content)
        with zipfile.ZipFile(aside, "a") as archive:
            archive.writestr("class_names.json", json.dumps(list(class_names)))
            archive.writestr("protocol.json", json.dumps(protocol))


@tf.function(input_signature=[tf.TensorSpec(None, tf.float32)], autograph=False)
def erf(x):
    """The error function by multiplications and a division; within 5e-7 of it.

    Args:
        x: float32 of any shape.
    """
    x = tf.clip_by_value(x, -ERF_BOUND, ERF_BOUND)
    square = tf.square(x)
    return x * _polynomial(ERF_P, square) / _polynomial(ERF_Q, square)


def _polynomial(coefficients, x):
    """The value of a polynomial at x, by Horner's rule."""
    value = tf.constant(coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value


def _converted(function, path):
    """The bytes of the TensorFlow Lite model of a function of one clip.

    Args:
        function: a `tf.function` with an input signature.
        path: where a SavedModel of it lies meanwhile.

    Raises:
        ConfigError: it cannot be converted; OSError: the SavedModel cannot be written.
    """
    module = tf.Module()
    try:
        module.function = _without_erf(function).get_concrete_function()
        _save(module, path)
        return tf.lite.TFLiteConverter.from_saved_model(str(path)).convert()
    except OSError:
        raise
    except Exception as error:  # The converter raises what comes.
        lacking = re.search("^TF Select ops: (.*)$", str(error), re.MULTILINE)
        why = f"it lacks {lacking[1]}" if lacking else first_line(error)
        raise refusal(FORM, why) from error
    finally:
        remove(path)


def _save(module, path):
    try:
        tf.saved_model.save(module, str(path), {SIGNATURE: module.function})
    except tf.errors.OpError as error:  # A full disk is no OSError to TensorFlow.
        raise OSError(error.message.splitlines()[0].rpartition("; ")[2]) from error


def _without_erf(function):
    """The same function with its weights inside, and `erf` for TensorFlow's own."""
    frozen = convert_variables_to_constants_v2(
        function.get_concrete_function(), lower_control_flow=False
    )
    if len(frozen.inputs) != 1:
        raise ValueError("it has other state than variables, as a lookup table")
    graph = frozen.graph.as_graph_def()
    ours = erf.get_concrete_function().function_def
    inner = [node for part in graph.library.function for node in part.node_def]
    for node in (*graph.node, *inner):
        node.attr.pop("_gradient_op_type", None)  # Which nobody asks for any more.
    for node in graph.node:  # Those within branches stay, and are told as lacking.
        if node.op == "Erf" and node.attr["T"].type == FLOAT32:
            node.op = "PartitionedCall"
            node.ClearField("attr")
            node.attr["f"].func.name = ours.signature.name
            for types in ("Tin", "Tout"):
                node.attr[types].list.type.append(FLOAT32)
    graph.library.function.append(ours)
    [clip], [probabilities] = frozen.inputs, frozen.outputs

    def probabilities_of(given):
        [result] = tf.graph_util.import_graph_def(
            graph,
            input_map={clip.name: given},
            return_elements=[probabilities.name],
            name="",
        )
        return {"probabilities": result}

    return tf.function(probabilities_of, function.input_signature, autograph=False)


def _compare(content, function):
    """Refuses a model with which the interpreter computes something else, or fails."""
    with warnings.catch_warnings():  # It is to move into a package of its own.
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(model_content=content)

    def compute(batch):
        try:
            run = interpreter.get_signature_runner(SIGNATURE)
            return run(clip=batch)["probabilities"]
        except (RuntimeError, ValueError) as error:
            why = f"its interpreter fails: {first_line(error)}"
            raise refusal(FORM, why) from error

    check_runtime(
        function, compute, counts=(1, 1), runtime="its interpreter", form=FORM
    )
