import io
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile

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
    for content in (path.read_bytes()[:-9], b"[]", b"\xff", b'{"a": ' + b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="model.json must be as .* is damaged"):
            load_handle(tmp_path / "damaged")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("architecture", []),
        ("architecture", {"embed_dim": "8"}),
        ("architecture", {"embed_dim": 10**9}),
        ("architecture", {"depths": [2, -1]}),
        ("architecture", {"depths": []}),
        ("architecture", {"window_size": [2, 3]}),
        ("clip", [4, 24]),
        ("clip", [4, 24, 0]),
        ("clip", "4x24x20"),
        ("class_names", "abc"),
        ("class_names", ["a", None, "c"]),
        ("class_names", []),
        ("drop_path_rate", 1),
        ("licence", 3),
    ],
)
def test_a_wrong_value_of_a_description_is_named(saved, tmp_path, name, value):
    shutil.copytree(saved / "backbone", tmp_path / "wrong")
    path = tmp_path / "wrong/assets.extra/model.json"
    facts = json.loads(path.read_text())
    part = isinstance(value, dict)
    facts[name] = facts[name] | value if part else value
    path.write_text(json.dumps(facts))
    with pytest.raises(ConfigError, match=f"model.json must be as .*{name}") as error:
        load_handle(tmp_path / "wrong")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "other",
    [
        {"embed_dim": 16},
        {"embed_dim": 65536},
        {"num_heads": [2, 2]},
        {"num_heads": [1]},
        {"window_size": [65536, 65536, 65536]},
        {"depths": [1, 2]},
        {"depths": [512, 512]},
        {"patch_size": [2, 4, 8]},
    ],
)
def test_a_description_of_another_network_is_refused(saved, tmp_path, other):
    """Before it is built, as it may be of any size."""
    shutil.copytree(saved / "backbone", tmp_path / "wrong")
    path = tmp_path / "wrong/assets.extra/model.json"
    facts = json.loads(path.read_text())
    facts["architecture"] |= other
    path.write_text(json.dumps(facts))
    with pytest.raises(ConfigError, match="must") as error:
        create_backbone(Model(handle=str(tmp_path / "wrong")))
    assert "\n" not in str(error.value)


def header_of(shape):
    """A `.npy` file that says it has a shape, and holds nothing."""
    stream = io.BytesIO()
    description = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, description)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernel": np.zeros([16, 4], np.float32)}, r"kernel .*\[16, 3\].*\[16, 4\]"),
        ({"kernel": np.zeros([8, 3], np.float32)}, r"kernel .*\[16, 3\].*\[8, 3\]"),
        ({"kernel": np.zeros([16, 3])}, "kernel must be float32.*float64"),
        ({"kernel": np.zeros([16, 3], np.complex64)}, "kernel must be float32"),
        ({"bias": np.zeros([4], np.float32)}, r"bias must be float32 \[3\]"),
        ({"bias": np.zeros([3, 1], np.float32)}, r"bias must be float32 \[3\]"),
        ({"bias": np.array([0, np.nan, 0], np.float32)}, "bias must be finite"),
        ({"bias": np.array([0, np.inf, 0], np.float32)}, "bias must be finite"),
        ({"bias": np.array([None] * 3)}, "bias must be float32"),
        ({"bias": None}, "bias"),
    ],
)
def test_a_damaged_head_is_refused(saved, tmp_path, changes, message):
    shutil.copytree(saved / "backbone", tmp_path / "wrong")
    path = tmp_path / "wrong/assets.extra/head.npz"
    with np.load(path) as arrays:
        head = {**arrays, **changes}
    np.savez(path, **{name: value for name, value in head.items() if value is not None})
    with pytest.raises(ConfigError, match=f"head.npz must be .*{message}") as error:
        load_handle(tmp_path / "wrong").head()
    assert "\n" not in str(error.value)


def test_a_head_that_says_more_than_it_holds_is_not_allocated(saved, tmp_path):
    shutil.copytree(saved / "backbone", tmp_path / "wrong")
    path = tmp_path / "wrong/assets.extra/head.npz"
    facts = tmp_path / "wrong/assets.extra/model.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"class_names": None}))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bias.npy", header_of((2**50,)))
        archive.writestr("kernel.npy", header_of((16, 2**50)))
    with pytest.raises(ConfigError, match="bias .* does not lie in"):
        load_handle(tmp_path / "wrong").head()
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ConfigError, match="head.npz must be .* is damaged"):
        load_handle(tmp_path / "wrong").head()


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
