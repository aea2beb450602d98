import json
import shutil
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from configs.command.errors import ConfigError
from configs.schema import Model
from model.convert import write_features, write_whole
from model.create import create_backbone
from model.weights.architecture import to_native
from model.weights.saved_model import load_handle


def description(architecture, clip):
    return {
        "name": "example",
        "architecture": architecture,
        "drop_path_rate": 0.2,
        "class_names": ["left", "right", "still"],
        "clip": clip,
        "licence": "Apache-2.0",
        "origin": "a test",
        "source": "official.npz",
        "source_sha256": "0" * 64,
    }


@pytest.fixture(scope="module")
def saved(state, architecture, clips, tmp_path_factory):
    """Folders of the backbone and of the whole classifier."""
    root = tmp_path_factory.mktemp("saved")
    weights = to_native(state, architecture)
    facts = description(architecture, clips.shape[2:])
    write_features(root / "backbone", weights, facts)
    write_whole(root / "classifier", weights, facts)
    return root


@pytest.fixture(scope="module")
def native(saved):
    """The native model rebuilt from the handle."""
    return create_backbone(Model(handle=str(saved / "backbone"), drop_path_rate=0.2))


def features_of(backbone, clips):
    """As the SavedModel lays them out."""
    return backbone(clips.transpose(0, 2, 1, 3, 4)).numpy().transpose(0, 4, 1, 2, 3)


OUTSIDE = """
import sys, numpy as np, tensorflow as tf, tensorflow_hub as hub, tf_keras as keras
assert not any(path.endswith({repository!r}) for path in sys.path)
folder, clips = {folder!r}, np.load("clips.npy")
loaded = hub.load(folder)
layer = hub.KerasLayer(folder, trainable=True)
signature = loaded.signatures["serving_default"]
results = dict(
    call=loaded(clips), not_training=loaded(clips, training=False), layer=layer(clips),
    signature=signature(clip=tf.constant(clips))["features"],
    one=loaded(clips[:1]), training=loaded(clips, training=True),
)
assert len(loaded.variables) == len(loaded.trainable_variables) == {variables}
assert len(layer.trainable_variables) == {variables}
assert list(loaded.regularization_losses) == []
keras.utils.set_random_seed(3)  # of the last layer
model = keras.Sequential([layer, keras.layers.GlobalAveragePooling3D(
    data_format="channels_first"), keras.layers.Dense(2)])
model.compile(
    keras.optimizers.Adam(0.002),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)
before = [v.numpy() for v in layer.trainable_variables]
# Training draws its own stochastic depth; what has been learnt shows without.
labels = np.array([0, 1])
losses = [model.evaluate(clips, labels, verbose=0)]
model.fit(clips, labels, epochs=40, verbose=0)
losses.append(model.evaluate(clips, labels, verbose=0))
moved = [np.any(a != b) for a, b in zip(before, layer.trainable_variables)]
np.savez("results.npz", losses=losses, moved=moved, **results)
"""


def test_runs_and_trains_without_this_project(
    saved, native, clips, repository, tmp_path
):
    """hub.load, hub.KerasLayer and the signature, in an interpreter elsewhere."""
    np.save(tmp_path / "clips.npy", clips)
    variables = len(native.trainable_variables)
    script = OUTSIDE.format(
        repository=str(repository),
        folder=str(saved / "backbone"),
        variables=variables,
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, env={})
    results = np.load(tmp_path / "results.npz")
    expected = features_of(native, clips)
    for name in ("call", "not_training", "layer", "signature"):
        np.testing.assert_allclose(results[name], expected, atol=1e-5)
    np.testing.assert_allclose(results["one"], expected[:1], atol=1e-5)
    assert np.any(abs(results["training"] - expected) > 1e-3)
    assert results["losses"][-1] < results["losses"][0]
    assert results["moved"].all()


def test_classifier_takes_pixels_and_names_classes(saved, native, clips):
    loaded = tf.saved_model.load(str(saved / "classifier"))
    pixels = np.uint8(127 + 100 * clips).transpose(0, 2, 1, 3, 4)
    result = loaded.signatures["serving_default"](clip=tf.constant(pixels))
    assert [name.decode() for name in result["names"].numpy()] == [
        "left",
        "right",
        "still",
    ]
    mean = np.reshape([123.675, 116.28, 103.53], [1, 1, 3, 1, 1])
    std = np.reshape([58.395, 57.12, 57.375], [1, 1, 3, 1, 1])
    head = load_handle(saved / "classifier").head()
    features = native(((pixels - mean) / std).astype(np.float32)).numpy()
    logits = features.mean((1, 2, 3)) @ head["kernel"] + head["bias"]
    expected = tf.nn.softmax(logits)
    np.testing.assert_allclose(result["probabilities"], expected, atol=1e-5)
    np.testing.assert_allclose(loaded(pixels), expected, atol=1e-5)
    loaded(pixels, training=True)


def test_facts_lie_beside_the_graph(saved, state):
    handle = load_handle(saved / "backbone")
    assert handle.class_names == ("left", "right", "still")
    np.testing.assert_array_equal(
        handle.head()["kernel"], state["cls_head.fc_cls.weight"].T
    )
    facts = json.loads((saved / "backbone/assets.extra/model.json").read_text())
    assert facts["input"]["shape"] == "[n, 3, 4, 24, 20]"
    assert facts["output"] == "[n, 16, 2, 3, 3]"
    assert facts["licence"] == "Apache-2.0" and facts["source_sha256"] == "0" * 64
    page = (saved / "backbone/assets.extra/documentation.md").read_text()
    assert page.startswith("# Module example\n")
    assert "<!-- fine-tunable: true -->" in page and "{" not in page


def test_a_description_of_another_form_asks_for_another_conversion(saved, tmp_path):
    """Architectures were once described by heads, window and patch."""
    shutil.copytree(saved / "backbone", tmp_path / "old")
    path = tmp_path / "old/assets.extra/model.json"
    facts = json.loads(path.read_text())
    for name in ("num_heads", "window_size", "patch_size"):
        value = facts["architecture"].pop(name)
        facts["architecture"][name.removeprefix("num_").removesuffix("_size")] = value
    path.write_text(json.dumps(facts))
    with pytest.raises(ConfigError) as error:
        load_handle(tmp_path / "old")
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert "received embed_dim, depths, heads, window, patch" in str(error.value)
    assert "again with python -m model.convert" in str(error.value)


def test_a_damaged_description_is_refused(saved, tmp_path):
    shutil.copytree(saved / "backbone", tmp_path / "damaged")
    path = tmp_path / "damaged/assets.extra/model.json"
    path.write_text(path.read_text()[:-9])
    with pytest.raises(ConfigError, match="model.json must be JSON"):
        load_handle(tmp_path / "damaged")
    path.write_text("[]")
    with pytest.raises(ConfigError, match="model.json must hold an object"):
        load_handle(tmp_path / "damaged")


def test_any_other_saved_model_is_opaque(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "other"))
    assert load_handle(tmp_path / "other") is None


def test_archive_holds_the_same_model(saved, clips, native, monkeypatch, tmp_path):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    archive = str(saved / "backbone.tar.gz")
    with tarfile.open(archive) as file:
        assert "./saved_model.pb" in file.getnames()
    again = create_backbone(Model(handle=archive))
    np.testing.assert_array_equal(features_of(again, clips), features_of(native, clips))


def test_graph_holds_no_big_constants(saved):
    proto = saved_model_pb2.SavedModel.FromString(
        (saved / "backbone" / "saved_model.pb").read_bytes()
    )
    functions = proto.meta_graphs[0].graph_def.library.function
    constants = [
        node.ByteSize()
        for function in functions
        for node in function.node_def
        if node.op == "Const"
    ]
    assert max(constants) < 4000
