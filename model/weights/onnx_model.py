"""Writes a classifier as an ONNX file, and checks that ONNX Runtime computes the same.

The libraries are an extra (`pip install -e '.[onnx]'`) and are imported when they are
needed.
"""

import json
import os

import numpy as np
import tensorflow as tf

from configs.command.errors import ConfigError
from configs.command.text import first_line
from model.weights.outputs import require_onnx
from storage.files import written_aside

# Of the operators; ONNX Runtime 1.16 and later know it.
OPSET = 17
DOMAINS = ("", "ai.onnx")  # of the standard's own operators
CLOSE = 1e-4  # how far probabilities may differ


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
    frames, height, width = clip
    shape = [None, frames, 3, height, width]

    def probabilities(clip):
        return {"probabilities": tf.nn.softmax(model(clip))}

    function = tf.function(
        probabilities,
        input_signature=[tf.TensorSpec(shape, tf.uint8, name="clip")],
        autograph=False,
    )
    proto = _converted(function)
    proto.graph.doc_string = (
        "uint8 [n, frames, 3, height, width], RGB, to probabilities"
    )
    _add(proto, class_names=list(class_names), protocol=protocol)
    content = proto.SerializeToString()
    _compare(content, function, shape)
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
        raise ConfigError(
            f"The model cannot be written as ONNX: {first_line(error)}."
        ) from error
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


def _compare(content, function, shape):
    """Refuses a model with which ONNX Runtime computes something else."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )
    generator = np.random.default_rng(0)
    for clips in (1, 2):
        batch = generator.integers(0, 256, [clips, *shape[1:]], np.uint8)
        [found] = session.run(["probabilities"], {"clip": batch})
        difference = np.abs(found - function(batch)["probabilities"]).max()
        if not difference < CLOSE:  # Nor where it is NaN.
            raise ConfigError(
                f"The model cannot be written as ONNX: probabilities of ONNX Runtime "
                f"differ by {difference:.1e}, more than {CLOSE:.0e}."
            )
