"""Whole runs with a backbone from a Hub SavedModel that runs as it is."""

import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from configs.command.errors import ConfigError
from configs.schema import Model
from model import open_trained
from tests.whole_runs import (
    KillAfter,
    Killed,
    newest_variables,
    replace_runtime,
    rows,
    run,
)

pytestmark = pytest.mark.usefixtures("keep_signals")


@keras.saving.register_keras_serializable("tests")
class PublishedBackbone(keras.Model):
    """A backbone with the published interface, a dropout and a gathered bias table."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.patches = keras.layers.Conv3D(12, (2, 8, 8), (2, 8, 8), name="patches")
        self.dropout = keras.layers.Dropout(0.3)
        self.norm = keras.layers.LayerNormalization(name="norm")

    def build(self, _):
        self.table = self.add_weight(
            "relative_position_bias_table", [7, 12], initializer="random_normal"
        )

    def call(self, clip, training=False):
        x = self.patches(tf.transpose(clip, [0, 2, 3, 4, 1]))
        x += tf.gather(self.table, tf.range(4) + 2)[:, None, None]
        x = self.norm(self.dropout(x, training=training))
        return tf.transpose(x, [0, 4, 1, 2, 3])


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """[n, 3, T, H, W] -> [n, C, T', H', W'], saved as the published backbones are."""
    path = str(tmp_path_factory.mktemp("hub") / "backbone")
    # Deterministic operations refuse a graph whose dropout was traced without a seed.
    keras.utils.set_random_seed(0)
    model = PublishedBackbone()
    model(tf.zeros([1, 3, 8, 32, 32]))
    model.save(path, save_format="tf")
    return path


@pytest.mark.parametrize("replicas", [2, 4])
def test_a_hub_backbone_trains_past_the_first_epoch(
    tiny, published, tmp_path, replicas
):
    """The predecessor's training failed there. Nothing divides 13 and 7."""
    config = dataclasses.replace(
        replace_runtime(tiny, replicas=replicas),
        epochs=3,
        model=Model(handle=published, dropout=0.2),
    )
    result = run(config, tmp_path / "run")
    assert result["videos"] == 7
    assert [row["epoch"] for row in rows(tmp_path / "run", "history")] == [0, 1, 2]
    assert all("top1" in row for row in rows(tmp_path / "run", "history"))
    first, last = rows(tmp_path / "run")[0], rows(tmp_path / "run")[-1]
    assert (first["step"], last["step"]) == (1, 10)
    before = tf.train.load_checkpoint(f"{published}/variables/variables")
    trained = newest_variables(tmp_path / "run")
    for name in before.get_variable_to_shape_map():
        if not name.endswith("kernel/.ATTRIBUTES/VARIABLE_VALUE"):
            continue
        value = before.get_tensor(name)
        matches = [v for v in trained.values() if np.shape(v) == value.shape]
        assert matches and all(np.any(v != value) for v in matches)


def test_another_graph_with_the_same_variables_cannot_go_on(tiny, published, tmp_path):
    data = dataclasses.replace(tiny.data, validation="none")
    config = dataclasses.replace(
        tiny, data=data, epochs=2, model=Model(handle=published)
    )
    with pytest.raises(Killed):
        run(config, tmp_path / "run", KillAfter(1))
    other = tmp_path / "other"
    shutil.copytree(published, other)
    with open(other / "saved_model.pb", "ab") as file:
        file.write(b"\xca\x3e\x00")  # An unknown field, which nobody reads.
    config = dataclasses.replace(config, model=Model(handle=str(other)))
    with pytest.raises(ConfigError, match="these differ: graph_fingerprint"):
        run(config, tmp_path / "run")

    def other_handle(own):
        model = dataclasses.replace(own.model, handle=str(other))
        return dataclasses.replace(own, model=model)

    with pytest.raises(ConfigError, match="must be the graph that the run in .* was"):
        open_trained(tmp_path / "run", override=other_handle)
    assert open_trained(tmp_path / "run").step == 0


def test_another_run_begins_with_the_weights_of_a_run_of_the_same_graph(
    tiny, published, tmp_path
):
    data = dataclasses.replace(tiny.data, validation="none")
    config = dataclasses.replace(
        tiny, data=data, epochs=2, model=Model(handle=published)
    )
    with pytest.raises(Killed):
        run(config, tmp_path / "run", KillAfter(3))  # Its newest checkpoint: step 2.
    new = dataclasses.replace(config, init_from=str(tmp_path / "run"), seed=9)
    with pytest.raises(Killed):
        run(new, tmp_path / "new", KillAfter(1))
    ours, theirs = (
        newest_variables(tmp_path / "new"),
        newest_variables(tmp_path / "run"),
    )
    weights = [n for n in theirs if n.startswith(("backbone/", "head/"))]
    assert len(weights) >= 6
    for name in weights:
        np.testing.assert_array_equal(ours[name], theirs[name], name)

    other = tmp_path / "other"
    shutil.copytree(published, other)
    with open(other / "saved_model.pb", "ab") as file:
        file.write(b"\xca\x3e\x00")
    new = dataclasses.replace(new, model=Model(handle=str(other)))
    with pytest.raises(ConfigError, match="must be the graph that the run in .* was"):
        run(new, tmp_path / "another")
    assert [path.name for path in (tmp_path / "another").iterdir()] == [".lock"]
