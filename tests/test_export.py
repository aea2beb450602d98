"""A run is exported whole, from a checkpoint that was verified."""

import dataclasses
import importlib.util
import json
import resource
import shutil
import warnings
import zipfile

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from configs.command.errors import CheckpointError, ConfigError, StorageError
from configs.schema import Data, Experiment, Model, Protocol, Views
from configs.schema.serialization import to_json
from export import export
from model import open_trained, require_onnx
from model.create import create_backbone, create_model
from model.weights.architecture import infer_architecture
from model.weights.formats import read_weights
from model.weights.saved_model import load_handle
from storage.checkpoints import CheckpointStore
from storage.files import sha256

CLASSES = ["down", "left", "up"]
PIXELS = np.arange(2 * 2 * 3 * 8 * 8, dtype=np.uint8).reshape(2, 2, 3, 8, 8)


ARCHITECTURE = {
    "embed_dim": 8,
    "depths": (2, 2),
    "num_heads": (1, 2),
    "window_size": (2, 2, 2),
    "patch_size": (2, 4, 4),
}


def write_run(folder, model, experiment, steps):
    """What the training leaves of a run: its config, identity and checkpoints."""
    folder.mkdir()
    (folder / "config.json").write_text(to_json(experiment))
    identity = {"run_id": "a run", "class_names": CLASSES}
    (folder / "run.json").write_text(json.dumps(identity))
    store = CheckpointStore(folder / "checkpoints", model, run_id="a run", keep=3)
    for step in steps:
        model.head.bias.assign([0.0, 0.5, step / 10])
        store.save(step)


def test_an_output_that_exists_is_refused_before_the_run_is_read(tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(ConfigError, match="must not exist yet"):
        export(tmp_path / "no run", tmp_path / "model")


@pytest.fixture(scope="module")
def experiment():
    return Experiment(
        data=Data(frames=2, size=8, batch_size=2),
        model=Model(backbone="video_swin", **ARCHITECTURE),
        views=Views(clips=5, crops=1, sampling="torchvision", short_side=9),
    )


@pytest.fixture(scope="module")
def model(experiment):
    created = create_model(experiment.model, num_classes=len(CLASSES), seed=0)
    created(PIXELS)
    return created


@pytest.fixture(scope="module")
def run(experiment, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "run"
    write_run(folder, model, experiment, steps=(3, 12))
    return folder


def test_exports_the_newest_checkpoint_whole(run, model, tmp_path):
    """uint8 clips in, probabilities and names out, equal to the run's own model."""
    export(run, tmp_path / "output")
    loaded = tf.saved_model.load(str(tmp_path / "output"))
    result = loaded.signatures["serving_default"](clip=tf.constant(PIXELS))
    assert [name.decode() for name in result["names"].numpy()] == CLASSES
    expected = tf.nn.softmax(model(PIXELS))
    np.testing.assert_allclose(result["probabilities"], expected, atol=1e-6)
    last = tf.constant(PIXELS.transpose(0, 1, 3, 4, 2))
    again = loaded.signatures["channels_last"](clip=last)
    for name in ("probabilities", "names"):
        np.testing.assert_array_equal(again[name], result[name])
    handle = load_handle(tmp_path / "output")
    assert handle.class_names == tuple(CLASSES)
    assert handle.description["source"] == "step-00000012"
    values = run / "checkpoints/step-00000012/variables.data-00000-of-00001"
    assert handle.description["source_sha256"] == sha256(values)
    again = create_backbone(Model(handle=str(tmp_path / "output")))
    clip = np.ones([1, 2, 3, 8, 8], np.float32)
    np.testing.assert_array_equal(again(clip), model.backbone(clip))


def test_the_page_says_what_the_run_measured_of_these_weights(run, tmp_path):
    own = sha256(run / "checkpoints/step-00000012/variables.data-00000-of-00001")
    result = {"top1": 0.75, "videos": 8, "clips": 1, "crops": 3, "source": "ucf101"}
    result |= {"split": 2, "weights_sha256": own}
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "evaluation.json").write_text(json.dumps(result))
    pages = {}
    for name, step in (("newest", None), ("older", 3)):
        export(copy, tmp_path / name, step)
        pages[name] = (tmp_path / name / "assets.extra/documentation.md").read_text()
    assert "top-1 0.7500 on 8 test videos of `ucf101`, split 2" in pages["newest"]
    assert "| measured |" not in pages["older"]


def test_an_export_is_shown_videos_as_its_run(run, experiment, tmp_path):
    export(run, tmp_path / "output")
    opened = open_trained("", str(tmp_path / "output"))
    for protocol in (opened.protocol, Protocol.of(opened.config)):
        assert protocol == Protocol.of(experiment)


def test_exports_another_checkpoint_as_a_state_dict(run, tmp_path):
    export(run, tmp_path / "run.npz", step=3)
    tensors = read_weights(tmp_path / "run.npz").tensors
    assert infer_architecture(tensors) == ARCHITECTURE
    np.testing.assert_allclose(tensors["cls_head.fc_cls.bias"], [0, 0.5, 0.3])


@pytest.mark.parametrize("name", ["output", "run.npz", "run.pth", "run.tflite"])
def test_a_full_disk_is_one_line_and_leaves_nothing(run, tmp_path, name):
    """A limit on the size of files fails a write as a full disk or a quota does."""
    if name.endswith(".pth"):
        pytest.importorskip("torch")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(StorageError, match=f"{name} could not be w") as caught:
            export(run, tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.exit_code == 6 and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_refuses_what_it_cannot_export(run, experiment, model, tmp_path):
    with pytest.raises(ConfigError, match="must be the folder of a run"):
        export(tmp_path, tmp_path / "output")
    with pytest.raises(CheckpointError, match="no checkpoint of step 7.*steps: 12, 3"):
        export(run, tmp_path / "output", step=7)
    write_run(tmp_path / "empty", model, experiment, steps=())
    with pytest.raises(CheckpointError, match="There is no checkpoint in"):
        export(tmp_path / "empty", tmp_path / "output")
    assert not (tmp_path / "output").exists()


def test_exports_a_run_of_an_opaque_graph(experiment, tmp_path):
    """The graph that was fine-tuned goes along, with its trained weights."""
    inputs = keras.Input([3, 2, 8, 8])
    features = keras.layers.Permute([2, 3, 4, 1])(inputs)
    features = keras.layers.Conv3D(5, (1, 4, 4))(features)
    keras.Model(inputs, features).save(tmp_path / "hub", save_format="tf")
    opaque = dataclasses.replace(
        experiment,
        model=Model(backbone="hub", handle=str(tmp_path / "hub"), dropout=0.0),
    )
    model = create_model(opaque.model, num_classes=len(CLASSES))
    for weight in model.backbone.trainable_variables:
        weight.assign_add(tf.ones_like(weight))
    write_run(tmp_path / "run", model, opaque, steps=(1,))
    with pytest.raises(ConfigError, match="Only a video_swin has a state dict"):
        export(tmp_path / "run", tmp_path / "run.npz")
    export(tmp_path / "run", tmp_path / "output")
    path = tmp_path / "run" / "run.json"
    identity = json.loads(path.read_text()) | {"graph_fingerprint": "of another graph"}
    path.write_text(json.dumps(identity))
    with pytest.raises(ConfigError, match="must be the graph that the run in"):
        open_trained(tmp_path / "run")
    shutil.rmtree(tmp_path / "hub")
    loaded = tf.saved_model.load(str(tmp_path / "output"))
    expected = tf.nn.softmax(model(PIXELS))
    np.testing.assert_allclose(loaded(PIXELS), expected, atol=1e-6)
    np.testing.assert_allclose(loaded(PIXELS, training=True), expected, atol=1e-6)
    assert len(loaded.trainable_variables) == 4
    assert load_handle(tmp_path / "output") is None


class Writing(tf.Module):
    """A backbone that writes a file whenever it computes."""

    def __init__(self, path):
        super().__init__()
        self.path = str(path)
        self.scale = tf.Variable(1.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 3, 2, 8, 8])])
    def __call__(self, clip):
        with tf.control_dependencies([tf.io.write_file(self.path, "x")]):
            return {"features": self.scale * tf.reduce_mean(clip, [2, 3, 4])}


def test_whom_to_trust_is_not_for_the_runs_folder_to_say(experiment, tmp_path):
    """A run that somebody sends may come with a graph, and with a config of theirs."""
    path = tmp_path / "written"
    backbone = Writing(path)
    signature = backbone.__call__.get_concrete_function()
    tf.saved_model.save(backbone, str(tmp_path / "hub"), signature)
    trusting = Model(
        backbone="hub", handle=str(tmp_path / "hub"), dropout=0.0, trust_graph=True
    )
    opaque = dataclasses.replace(experiment, model=trusting)
    model = create_model(trusting, num_classes=len(CLASSES))
    write_run(tmp_path / "run", model, opaque, steps=(1,))
    for use in (open_trained, lambda run: export(run, tmp_path / "output")):
        with pytest.raises(ConfigError, match="WriteFile.*--model.trust_graph=true"):
            use(tmp_path / "run")
    path.unlink(missing_ok=True)
    export(tmp_path / "run", tmp_path / "output", trust_graph=True)
    assert (tmp_path / "output" / "saved_model.pb").exists()


@pytest.mark.parametrize("damage", ["cut off", "another run's", "without a manifest"])
def test_refuses_a_damaged_newest_checkpoint(experiment, tmp_path, damage):
    """It must not become an export of the older one that is still good."""
    model = create_model(experiment.model, num_classes=len(CLASSES))
    write_run(tmp_path / "run", model, experiment, steps=(1, 2))
    newest = tmp_path / "run/checkpoints/step-00000002"
    if damage == "cut off":
        path = newest / "variables.data-00000-of-00001"
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "another run's":
        identity = {"run_id": "another run", "class_names": CLASSES}
        (tmp_path / "run" / "run.json").write_text(json.dumps(identity))
    else:
        (newest / "manifest.json").unlink()
    with pytest.raises(CheckpointError, match="step-00000002 cannot be used"):
        export(tmp_path / "run", tmp_path / "output")
    with pytest.raises(CheckpointError, match="step-00000002 cannot be used"):
        open_trained(tmp_path / "run")
    assert not (tmp_path / "output").exists()
    if damage != "another run's":
        export(tmp_path / "run", tmp_path / "output.npz", step=1)


def test_an_onnx_model_gives_the_predictions_of_the_run(run, tmp_path):
    if not importlib.util.find_spec("tf2onnx"):
        pytest.skip("tf2onnx is absent, an extra: onnx")
    import onnxruntime

    export(run, tmp_path / "model.onnx", 3)
    session = onnxruntime.InferenceSession(
        tmp_path / "model.onnx", providers=["CPUExecutionProvider"]
    )
    [found] = session.run(["probabilities"], {"clip": PIXELS})
    expected = tf.nn.softmax(open_trained(run, step=3).model(PIXELS))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["class_names"]) == CLASSES
    assert json.loads(said["protocol"])["frames"] == 2


def test_a_tensorflow_lite_model_gives_the_predictions_of_the_run(run, tmp_path):
    export(run, tmp_path / "model.tflite", 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(str(tmp_path / "model.tflite"))
    predict = interpreter.get_signature_runner("serving_default")
    found = [predict(clip=clip[None])["probabilities"][0] for clip in PIXELS]
    expected = tf.nn.softmax(open_trained(run, step=3).model(PIXELS))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    with zipfile.ZipFile(tmp_path / "model.tflite") as archive:
        assert json.loads(archive.read("class_names.json")) == CLASSES
        assert json.loads(archive.read("protocol.json"))["frames"] == 2


def test_without_the_extra_onnx_is_refused_at_once(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs onnx, onnxruntime, tf2onnx: pip inst"):
        require_onnx()
