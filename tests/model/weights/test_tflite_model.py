"""A TensorFlow Lite file stands for itself, and its interpreter computes the same."""

import json
import math
import warnings
import zipfile

import numpy as np
import pytest
import tensorflow as tf

from configs.command.errors import ConfigError
from model import write_tflite
from model.weights import tflite_model
from tests.model.weights.small_classifier import (
    CLIP,
    NAMES,
    Strange,
    small_classifier,
)


@pytest.fixture(scope="module")
def model():
    return small_classifier()


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("tflite") / "model.tflite"
    write_tflite(path, model, CLIP, NAMES, {"frame_interval": 2})
    return path


@pytest.fixture(scope="module")
def interpreter(written):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tf.lite.Interpreter(str(written))


def test_its_interpreter_computes_the_same(interpreter, model):
    run = interpreter.get_signature_runner("serving_default")
    batch = np.random.default_rng(3).integers(0, 256, [3, 4, 3, 32, 32], np.uint8)
    found = np.concatenate([run(clip=clip[None])["probabilities"] for clip in batch])
    np.testing.assert_allclose(found, tf.nn.softmax(model(batch)), atol=1e-6)
    assert np.ptp(found, axis=0).max() > 1e-3  # Clips are told apart.


def test_the_file_says_what_goes_in_and_comes_out(interpreter, written):
    [clip], [result] = interpreter.get_input_details(), interpreter.get_output_details()
    assert (clip["dtype"], clip["shape"].tolist()) == (np.uint8, [1, 4, 3, 32, 32])
    assert (result["dtype"], result["shape"].tolist()) == (np.float32, [1, 3])
    with zipfile.ZipFile(written) as archive:
        assert json.loads(archive.read("class_names.json")) == list(NAMES)
        assert json.loads(archive.read("protocol.json")) == {"frame_interval": 2}


def test_it_needs_no_operators_of_tensorflows_own(interpreter):
    operators = {op["op_name"] for op in interpreter._get_ops_details()}
    assert "FULLY_CONNECTED" in operators
    assert not any(name.startswith("Flex") for name in operators)


def test_the_error_function_is_that_of_the_standard_library():
    x = np.linspace(-6, 6, 100001, dtype=np.float32)
    expected = np.vectorize(math.erf)(x.astype(np.float64))
    np.testing.assert_allclose(tflite_model.erf(x), expected, rtol=0, atol=5e-7)


def test_what_the_interpreter_lacks_is_told_and_nothing_is_written(tmp_path):
    with pytest.raises(ConfigError, match="Lite: it lacks AsString, StringL"):
        write_tflite(tmp_path / "a.tflite", Strange(), CLIP, NAMES, {})
    assert not list(tmp_path.iterdir())


def means(clip):
    return tf.reduce_mean(tf.cast(clip, tf.float32), [2, 3, 4])


def looked_up():
    keys, values = tf.range(2, dtype=tf.int64), tf.range(2.0)
    pairs = tf.lookup.KeyValueTensorInitializer(keys, values)
    table = tf.lookup.StaticHashTable(pairs, 0.0)
    return lambda clip: table.lookup(tf.cast(means(clip), tf.int64))


def erf_of_doubles():
    return lambda clip: tf.cast(
        tf.math.erf(tf.cast(means(clip), tf.float64)), tf.float32
    )


def erf_in_a_branch():
    def branching(clip):
        x = means(clip)
        return tf.cond(x[0, 0] > 0, lambda: tf.math.erf(x), lambda: -x)

    return branching


def gather_behind_the_end():
    return lambda clip: tf.gather(tf.eye(3), 5 + tf.cast(means(clip)[0, :1], tf.int32))


@pytest.mark.parametrize(
    ("create", "why"),
    [
        (looked_up, "it has other state than variables"),
        (erf_of_doubles, "it lacks Erf"),
        (erf_in_a_branch, "it lacks Erf"),
        (gather_behind_the_end, "its interpreter fails: gather index"),
    ],
)
def test_a_graph_that_it_cannot_take_is_refused_in_one_line(tmp_path, create, why):
    with pytest.raises(ConfigError, match=f"for TensorFlow Lite: {why}") as caught:
        write_tflite(tmp_path / "a.tflite", create(), CLIP, NAMES, {})
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_loop_is_written(tmp_path):
    def looping(clip):
        x = means(clip) / 256
        return tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, 2 * x), [0, x])[1]

    write_tflite(tmp_path / "a.tflite", looping, CLIP, NAMES, {})


def test_it_needs_no_other_folder(model, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    write_tflite(tmp_path / "a.tflite", model, CLIP, NAMES, {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.tflite"]


def test_a_model_with_other_numbers_is_refused(model, tmp_path, monkeypatch):
    usual = tflite_model.erf
    wrong = tf.function(tf.zeros_like, usual.input_signature, autograph=False)
    monkeypatch.setattr(tflite_model, "erf", wrong)
    with pytest.raises(ConfigError, match="interpreter differ by"):
        write_tflite(tmp_path / "a.tflite", model, CLIP, NAMES, {})
    assert not list(tmp_path.iterdir())


def test_an_existing_file_stays(written, model):
    before = written.read_bytes()
    with pytest.raises(ConfigError, match="exist"):
        write_tflite(written, model, CLIP, NAMES, {})
    assert written.read_bytes() == before
