import importlib.util
import json
import os

import numpy as np
import pytest
import tensorflow as tf

from configs.command.errors import ConfigError
from model import write_onnx
from model.weights import onnx_model
from tests.model.weights.small_classifier import (
    CLIP,
    NAMES,
    Strange,
    small_classifier,
)

onnxruntime = pytest.importorskip("onnxruntime", reason="an extra: onnx")
if not importlib.util.find_spec("tf2onnx"):  # Importing it changes the environment.
    pytest.skip("tf2onnx is absent, an extra: onnx", allow_module_level=True)


@pytest.fixture(scope="module")
def model():
    return small_classifier()


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    path, before = tmp_path_factory.mktemp("onnx") / "model.onnx", dict(os.environ)
    write_onnx(path, model, CLIP, NAMES, {"frame_interval": 2})
    assert dict(os.environ) == before  # tf2onnx sets how much TensorFlow logs.
    return path


def test_another_runtime_computes_the_same(written, model):
    session = onnxruntime.InferenceSession(written, providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(3)
    for clips in (1, 3, 5):
        batch = generator.integers(0, 256, [clips, 4, 3, 32, 32], np.uint8)
        [found] = session.run(None, {"clip": batch})
        expected = tf.nn.softmax(model(batch))
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.ptp(found, axis=0).max() > 1e-3  # Clips are told apart.


def test_the_file_says_what_goes_in_and_comes_out(written):
    session = onnxruntime.InferenceSession(written, providers=["CPUExecutionProvider"])
    [clip], [probabilities] = session.get_inputs(), session.get_outputs()
    assert (clip.name, clip.type, clip.shape[1:]) == (
        *("clip", "tensor(uint8)"),
        [4, 3, 32, 32],
    )
    assert not isinstance(clip.shape[0], int)  # any number of clips
    assert (probabilities.name, probabilities.type) == (
        *("probabilities", "tensor(float)"),
    )
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["class_names"]) == list(NAMES)
    assert json.loads(said["protocol"]) == {"frame_interval": 2}


def test_what_onnx_lacks_is_told_and_nothing_is_written(model, tmp_path):
    with pytest.raises(ConfigError, match="cannot be written as ONNX"):
        write_onnx(tmp_path / "a.onnx", Strange(), CLIP, NAMES, {})
    assert not list(tmp_path.iterdir())


def test_a_model_with_other_numbers_is_refused(model, tmp_path, monkeypatch):
    converted = onnx_model._converted

    def damaged(function):
        proto = converted(function)
        for value in proto.graph.initializer:
            array = np.frombuffer(value.raw_data, np.float32)
            if value.data_type == 1 and len(array) == 48:  # the head
                value.raw_data = array[::-1].tobytes()
        return proto

    monkeypatch.setattr(onnx_model, "_converted", damaged)
    with pytest.raises(ConfigError, match="ONNX Runtime differ by"):
        write_onnx(tmp_path / "a.onnx", model, CLIP, NAMES, {})
    assert not list(tmp_path.iterdir())


def test_an_existing_file_stays(written, model):
    before = written.read_bytes()
    with pytest.raises(ConfigError, match="exist"):
        write_onnx(written, model, CLIP, NAMES, {})
    assert written.read_bytes() == before
