"""Writes a classifier as an ONNX file, and checks that ONNX Runtime computes the same.

The libraries are an extra (`pip install -e '.[onnx]'`) and are imported when they are
needed.
"""

import json
import os

from configs.command.errors import ConfigError
from configs.command.text import first_line
from model.weights.outputs import require_onnx
from model.weights.runtimes import check_runtime, clip_function, refusal
from storage.files import written_aside

# Of the operators; ONNX Runtime 1.16 and later know it.
OPSET = 17
DOMAINS = ("", "ai.onnx")  # of the standard's own operators
FORM = "as ONNX"


def write_onnx(output, model, clip, class_names, protocol):
    """Writes a model as an ONNX file that stands for itself.

    Its input `clip` is uint8 [n, T, 3, H, W] in 0..255, RGB, of any n; its output
    `probabilities` is float32 [n, classes]. Metadata has `class_names` and `protocol`
    as JSON. Before the file appears, ONNX Runtime computes clips with it on a CPU.

    Args:
        output: `Path` of the file, which must not exist.
        model: a `model.classifier.Classifier` in float32.
        clip: (frames, height, width) of the clips.
        class_names: in the order of the probabilities.
        protocol: dict of JSON values: how clips were cut, as far as is known.

    Raises:
        ConfigError: the extra is not installed, the file exists, the graph holds what
            ONNX lacks, or ONNX Runtime computes something else.
        StorageError: the file cannot be written.
    """
    require_onnx()
    function = clip_function(model, clip)
    proto = _converted(function)
    proto.graph.doc_string = (
        "uint8 [n, frames, 3, height, width], RGB, to probabilities"
    )
    _add(proto, class_names=list(class_names), protocol=protocol)
    content = proto.SerializeToString()
    _compare(content, function)
    with written_aside(output) as aside:
        aside.write_bytes(content)


def _converted(function):
    """The ONNX model of a function, of the standard's operators alone."""
    before = dict(os.environ)
    try:
        import onnx
        import tf2onnx

        proto, _ = tf2onnx.convert.from_function(
            function, input_signature=function.input_signature, opset=OPSET
        )
        onnx.checker.check_model(proto)
    except Exception as error:  # tf2onnx raises what comes.
        raise refusal(FORM, first_line(error)) from error
    finally:  # It sets how much TensorFlow logs, for whoever is started next, too.
        os.environ.clear()
        os.environ.update(before)
    foreign = {node.op_type for node in proto.graph.node if node.domain not in DOMAINS}
    if foreign:
        raise ConfigError(
            f"The model cannot be written as ONNX, which lacks {', '.join(foreign)}."
        )
    return proto


def _add(proto, **values):
    """Adds metadata: JSON by name."""
    for name, value in values.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = name, json.dumps(value)


def _compare(content, function):
    """Refuses a model with which ONNX Runtime computes something else."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )

    def compute(batch):
        [found] = session.run(["probabilities"], {"clip": batch})
        return found

    check_runtime(function, compute, counts=(1, 2), runtime="ONNX Runtime", form=FORM)
