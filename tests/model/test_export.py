import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from configs.errors import CheckpointError, ConfigError
from configs.flags import to_json
from configs.schema import Data, Experiment, Model
from model.architecture import infer_architecture
from model.checkpoints import read_checkpoint
from model.classifier import Classifier, create_model
from model.export import export
from model.handles import create_backbone, load_handle

CLASSES = ["down", "left", "up"]
PIXELS = np.arange(2 * 2 * 3 * 8 * 8, dtype=np.uint8).reshape(2, 2, 3, 8, 8)


def write_run(folder, model, experiment, steps):
    """What the training leaves of a run: its config, classes and checkpoints."""
    folder.mkdir()
    (folder / "config.json").write_text(to_json(experiment))
    (folder / "run.json").write_text(json.dumps({"class_names": CLASSES}))
    parts = tf.train.Checkpoint(backbone=model.backbone, head=model.head)
    for step in steps:
        model.head.bias.assign([0.0, 0.5, step / 10])
        parts.write(str(folder / "checkpoints" / f"step-{step:08d}" / "variables"))


@pytest.fixture(scope="module")
def experiment(architecture):
    return Experiment(
        data=Data(frames=2, size=8, batch_size=2), model=Model(**architecture)
    )


@pytest.fixture(scope="module")
def model(experiment):
    created = Classifier(create_backbone(experiment.model), len(CLASSES))
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
    handle = load_handle(tmp_path / "output")
    assert handle.class_names == tuple(CLASSES)
    assert handle.description["source"] == "step-00000012"
    again = create_backbone(Model(handle=str(tmp_path / "output")))
    clip = np.ones([1, 2, 3, 8, 8], np.float32)
    np.testing.assert_array_equal(again(clip), model.backbone(clip))


def test_exports_another_checkpoint_as_a_state_dict(run, architecture, tmp_path):
    export(run, tmp_path / "run.npz", step=3)
    tensors = read_checkpoint(tmp_path / "run.npz").tensors
    assert infer_architecture(tensors) == architecture
    np.testing.assert_allclose(tensors["cls_head.fc_cls.bias"], [0, 0.5, 0.3])


def test_refuses_what_it_cannot_export(run, experiment, model, tmp_path):
    with pytest.raises(ConfigError, match="must be the folder of a run"):
        export(tmp_path, tmp_path / "output")
    with pytest.raises(CheckpointError, match="no checkpoint step-00000007"):
        export(run, tmp_path / "output", step=7)
    write_run(tmp_path / "empty", model, experiment, steps=())
    with pytest.raises(CheckpointError, match=r"no checkpoint step-\*"):
        export(tmp_path / "empty", tmp_path / "output")
    assert not (tmp_path / "output").exists()


def test_exports_a_run_of_an_opaque_graph(experiment, tmp_path):
    """The graph that was fine-tuned goes along, with its trained weights."""
    inputs = keras.Input([3, 2, 8, 8])
    features = keras.layers.Permute([2, 3, 4, 1])(inputs)
    features = keras.layers.Conv3D(5, (1, 4, 4))(features)
    keras.Model(inputs, features).save(tmp_path / "hub", save_format="tf")
    opaque = dataclasses.replace(
        experiment, model=Model(handle=str(tmp_path / "hub"), dropout=0.0)
    )
    model = create_model(opaque.model, classes=len(CLASSES))
    for weight in model.backbone.trainable_variables:
        weight.assign_add(tf.ones_like(weight))
    write_run(tmp_path / "run", model, opaque, steps=(1,))
    with pytest.raises(ConfigError, match="Only a native model has a state dict"):
        export(tmp_path / "run", tmp_path / "run.npz")
    export(tmp_path / "run", tmp_path / "output")
    shutil.rmtree(tmp_path / "hub")
    loaded = tf.saved_model.load(str(tmp_path / "output"))
    expected = tf.nn.softmax(model(PIXELS))
    np.testing.assert_allclose(loaded(PIXELS), expected, atol=1e-6)
    np.testing.assert_allclose(loaded(PIXELS, training=True), expected, atol=1e-6)
    assert len(loaded.trainable_variables) == 4
    assert load_handle(tmp_path / "output") is None


def test_refuses_a_damaged_checkpoint(experiment, model, tmp_path):
    write_run(tmp_path / "run", model, experiment, steps=(1,))
    path = tmp_path / "run/checkpoints/step-00000001/variables.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="step-00000001 cannot be used"):
        export(tmp_path / "run", tmp_path / "output")
    assert not (tmp_path / "output").exists()
