"""An export answers as docs/weights.md says, by TensorFlow Serving's rules for JSON.

The server itself is not run. Its rules are those of FillPredictRequestFromJson and
MakeJsonFromTensors in tensorflow_serving/util/json_tensor.cc, of version 2.20.
"""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.error import HTTPError

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from configs.schema import Model
from model import create_model
from model.weights.saved_model import in_order, write_classifier
from tests.docs.pages import REPOSITORY, blocks

NAMES = ["b\u00e4r", "left", "right"]
CLIP = (2, 8, 8)
ARCHITECTURE = {
    "embed_dim": 4,
    "depths": (1,),
    "num_heads": (1,),
    "window_size": (2, 2, 2),
    "patch_size": (1, 4, 4),
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folder of a model, with one version of it."""
    base = tmp_path_factory.mktemp("models") / "demo"
    model = create_model(Model(**ARCHITECTURE), num_classes=3, pretrained=False)
    model.head.kernel.assign(tf.random.stateless_normal([4, 3], [1, 2]))
    facts = dict.fromkeys(("licence", "origin", "source", "source_sha256"), "a test")
    description = {"name": "demo", "architecture": ARCHITECTURE, "class_names": NAMES}
    description |= {"clip": CLIP, "drop_path_rate": 0.0, **facts}
    write_classifier(base / "1", model, description, in_order(model.backbone))
    return base


@pytest.fixture(scope="module")
def loaded(exported):
    return tf.saved_model.load(str(exported / "1"))


@pytest.fixture(scope="module")
def clips():
    shape = [2, CLIP[0], 3, *CLIP[1:]]
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def tensor_of(value, spec):
    """A JSON value as the tensor that an input wants; its lists are equally long."""
    found = np.array(value)
    if spec.dtype == tf.uint8 and found.dtype != np.int64:
        raise ValueError("is not of expected type: DT_UINT8")
    return tf.constant(found, spec.dtype)


def answer(loaded, body):
    """What the server answers to the JSON of a request."""
    signature = loaded.signatures[body.get("signature_name", "serving_default")]
    (specs,) = signature.structured_input_signature[1:]
    by_row = "instances" in body
    if by_row == ("inputs" in body):
        raise ValueError("expecting only one of 'inputs' or 'instances'")
    given = body["instances" if by_row else "inputs"]
    named = isinstance(given[0] if by_row else given, dict)
    if named and by_row:
        if any(row.keys() != specs.keys() for row in given):
            raise ValueError("keys must be equal to: " + ",".join(specs))
        given = {name: [row[name] for row in given] for name in specs}
    elif not named:
        (name,) = specs
        given = {name: given}
    inputs = {name: tensor_of(given[name], spec) for name, spec in specs.items()}
    outputs = {name: t.numpy() for name, t in sorted(signature(**inputs).items())}
    if not by_row:
        return {"outputs": {name: values(v) for name, v in outputs.items()}}
    if len({len(value) for value in outputs.values()}) > 1:
        raise ValueError("has inconsistent batch size")
    rows = zip(*map(values, outputs.values()), strict=True)
    return {"predictions": [dict(zip(outputs, row, strict=True)) for row in rows]}


def values(tensor):
    """A tensor as JSON: text as UTF-8."""
    if tensor.dtype == object:
        tensor = np.vectorize(bytes.decode, otypes=[object])(tensor)
    return tensor.tolist()


def test_a_version_is_a_folder_called_by_a_number(exported):
    assert {path.name for path in exported.iterdir()} == {"1", "1.tar.gz"}
    content = {path.name for path in (exported / "1").iterdir()}
    assert {"saved_model.pb", "variables", "assets.extra"} <= content


def test_each_signature_is_one_that_can_be_asked_to_predict(exported):
    """As saved_model_cli shows them."""
    content = (exported / "1" / "saved_model.pb").read_bytes()
    [graph] = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    assert "serve" in graph.meta_info_def.tags
    first = [-1, CLIP[0], 3, *CLIP[1:]]
    shapes = {
        "serving_default": (first, [3]),
        "channels_last": ([-1, *CLIP, 3], [3]),
        "rows": (first, [-1, 3]),
    }
    assert shapes.keys() == graph.signature_def.keys() - {"__saved_model_init_op"}
    for name, (given, names) in shapes.items():
        signature = graph.signature_def[name]
        assert signature.method_name == "tensorflow/serving/predict"
        assert shape_of(signature.inputs["clip"]) == (tf.uint8, given)
        assert len(signature.inputs) == 1
        assert shape_of(signature.outputs["names"]) == (tf.string, names)
        assert shape_of(signature.outputs["probabilities"]) == (tf.float32, [-1, 3])


def shape_of(info):
    return tf.as_dtype(info.dtype), [side.size for side in info.tensor_shape.dim]


@pytest.mark.parametrize("named", [False, True])
def test_instances_are_answered_row_by_row(loaded, clips, named):
    instances = [{"clip": clip} if named else clip for clip in clips.tolist()]
    body = {"signature_name": "rows", "instances": instances}
    rows = answer(loaded, json.loads(json.dumps(body)))["predictions"]
    assert [row["names"] for row in rows] == [NAMES, NAMES]
    found = [row["probabilities"] for row in rows]
    np.testing.assert_allclose(found, loaded(clips), rtol=1e-6)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("signature", ["serving_default", "channels_last"])
def test_inputs_are_answered_whole(loaded, clips, signature, named):
    given = clips.transpose(0, 1, 3, 4, 2) if signature == "channels_last" else clips
    given = {"clip": given.tolist()} if named else given.tolist()
    result = answer(loaded, {"signature_name": signature, "inputs": given})["outputs"]
    assert result["names"] == NAMES
    np.testing.assert_allclose(result["probabilities"], loaded(clips), rtol=1e-6)


def test_only_rows_can_be_asked_for_instances(loaded, clips):
    """Names are as many as classes; of three clips each would get one of them."""
    with pytest.raises(ValueError, match="inconsistent batch size"):
        answer(loaded, {"instances": clips.tolist()})


def test_the_client_of_the_page_is_answered(loaded, clips):
    examples = blocks(REPOSITORY / "docs" / "weights.md")
    rest, grpc = (block.text for block in examples if block.language == "python")
    compile(grpc, "weights.md", "exec")  # Its library is not among ours.
    names = {}
    exec(compile(rest, "weights.md", "exec"), names)
    with serving(loaded) as port:
        url = f"http://localhost:{port}/v1/models/demo:predict"
        found = names["classify"](clips, url)
        with pytest.raises(HTTPError, match="400"):
            names["classify"](clips / 255, url)
    assert [list(one) for one in found] == [NAMES, NAMES]
    rows = [list(one.values()) for one in found]
    np.testing.assert_allclose(rows, loaded(clips), rtol=1e-6)


@contextlib.contextmanager
def serving(loaded):
    """A server on this machine that answers by the rules; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                code, said = 200, answer(loaded, json.loads(body))
            except ValueError as error:
                code, said = 400, {"error": str(error)}
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *_):
            pass

    with HTTPServer(("localhost", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
