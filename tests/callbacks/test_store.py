"""Checkpoints are absent or complete, verified, and never of another model."""

import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from callbacks import store as store_module
from callbacks.store import CheckpointStore, restore_weights
from configs.errors import CheckpointError, StorageError


def create_model(units=3):
    model = keras.Sequential()
    model.backbone = keras.layers.Dense(units, name="backbone")
    model.head = keras.layers.Dense(2, name="head")
    model.add(model.backbone)
    model.add(model.head)
    model.build([None, 4])
    model.compile(keras.optimizers.Adam(0.1), loss="mse")
    model.optimizer.build(model.trainable_variables)
    return model


def train(model):
    model.train_on_batch(np.ones([2, 4]), np.ones([2, 2]))


def values(model):
    return [v.numpy() for v in (*model.variables, *model.optimizer.variables)]


def assert_equal(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def saved(tmp_path):
    """A folder with checkpoints of steps 1 and 2, and the values of each."""
    model = create_model()
    store = CheckpointStore(tmp_path / "checkpoints", model, keep=3)
    states = {}
    for step in (1, 2):
        train(model)
        store.save(step)
        states[step] = values(model)
    return store.path, states


def test_the_newest_is_restored_whole(saved):
    path, states = saved
    model = create_model()
    assert CheckpointStore(path, model, keep=3).restore() == 2
    assert_equal(values(model), states[2])


def test_a_folder_without_checkpoints_restores_nothing(tmp_path):
    assert CheckpointStore(tmp_path / "none", create_model()).restore() is None


FILES = (
    "variables.index",
    "variables.data-00000-of-00001",
    "state.json",
    "manifest.json",
)


def truncate(share):
    def damage(file):
        content = file.read_bytes()
        file.write_bytes(content[: int(len(content) * share)])

    return damage


def flip_a_bit(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def replace_by_folder(file):
    file.unlink()
    file.mkdir()


DAMAGES = {
    "emptied": truncate(0),
    "halved": truncate(0.5),
    "a bit flipped": flip_a_bit,
    "deleted": os.unlink,
    "a folder": replace_by_folder,
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_one_is_set_aside_and_the_one_before_used(saved, name, damage):
    path, states = saved
    damage(path / "step-00000002" / name)
    model = create_model()
    store = CheckpointStore(path, model, keep=3)
    assert store.restore() == 1
    assert_equal(values(model), states[1])
    assert store.steps() == [1]
    assert (path / "step-00000002.damaged").exists()


def test_files_of_another_step_are_noticed(saved):
    path, _ = saved
    shutil.rmtree(path / "step-00000002")
    shutil.copytree(path / "step-00000001", path / "step-00000002")
    assert CheckpointStore(path, create_model(), keep=3).restore() == 1


def test_when_none_is_usable_the_run_stops_and_nothing_is_changed(saved):
    path, _ = saved
    for step in (1, 2):
        flip_a_bit(path / f"step-{step:08d}" / "state.json")
    before = sorted(path.rglob("*"))
    with pytest.raises(CheckpointError, match="step 2: .*step 1: .*another --workdir"):
        CheckpointStore(path, create_model(), keep=3).restore()
    assert sorted(path.rglob("*")) == before


def test_a_set_aside_checkpoint_alone_is_no_fresh_start(saved):
    path, _ = saved
    shutil.rmtree(path / "step-00000001")
    os.rename(path / "step-00000002", path / "step-00000002.damaged")
    with pytest.raises(CheckpointError, match="No checkpoint"):
        CheckpointStore(path, create_model(), keep=3).restore()


def test_another_model_is_refused(saved):
    path, _ = saved
    with pytest.raises(CheckpointError, match="does not fit this model"):
        CheckpointStore(path, create_model(units=5), keep=3).restore()


def test_weights_that_are_not_finite_are_never_committed(saved):
    path, _ = saved
    model = create_model()
    store = CheckpointStore(path, model, keep=3)
    store.restore()
    model.head.bias.assign([np.nan, 0])
    with pytest.raises(CheckpointError, match="head/bias.* does not"):
        store.save(3)
    assert store.steps() == [2, 1]


def test_the_newest_and_the_protected_stay(tmp_path):
    store = CheckpointStore(tmp_path, create_model(), keep=2)
    for step in range(5):
        store.save(step, protect=[1])
    assert store.steps() == [4, 3, 1]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"step-{step:08d}" for step in (1, 3, 4)
    ]


@pytest.mark.parametrize("point", ["write", "sync", "rename"])
def test_a_disk_that_is_full_leaves_the_others_and_no_debris(saved, monkeypatch, point):
    path, _ = saved
    store = CheckpointStore(path, create_model(), keep=3)
    before = sorted(path.rglob("*"))

    def full(*_):
        raise OSError(28, "No space left on device")

    target = {
        "write": (store.checkpoint, "write"),
        "sync": (store_module, "_sync_file"),
        "rename": (os, "rename"),
    }[point]
    with monkeypatch.context() as context:
        context.setattr(*target, full)
        with pytest.raises(StorageError, match="step 3 could not be written.*No space"):
            store.save(3)
    assert sorted(path.rglob("*")) == before
    store.save(3)
    assert store.steps() == [3, 2, 1]


def test_everything_is_on_the_disk_before_the_name_appears(tmp_path, monkeypatch):
    synced = []
    sync, rename = store_module._sync_file, os.rename

    def spy_on_rename(source, target):
        files = {path.name for path in source.iterdir()}
        assert files == set(synced)
        rename(source, target)

    monkeypatch.setattr(
        store_module, "_sync_file", lambda path: (synced.append(path.name), sync(path))
    )
    monkeypatch.setattr(os, "rename", spy_on_rename)
    CheckpointStore(tmp_path, create_model()).save(1)
    assert set(FILES) == set(synced)


def test_an_interrupted_save_is_cleared_away(saved):
    path, _ = saved
    (path / ".aside-00000003").mkdir()
    (path / ".aside-00000003" / "variables.index").touch()
    store = CheckpointStore(path, create_model(), keep=3)
    assert store.restore() == 2
    store.save(4)
    assert not list(path.glob(".aside*"))


def test_evaluation_restores_weights_and_touches_nothing(saved):
    path, states = saved
    flip_a_bit(path / "step-00000002" / "manifest.json")
    before = sorted(path.rglob("*"))
    model = create_model()
    model.optimizer = None
    assert restore_weights(model, path.parent) == 1
    assert_equal(
        [v.numpy() for v in model.variables], states[1][: len(model.variables)]
    )
    assert sorted(path.rglob("*")) == before


def test_the_manifest_lists_what_is_there(saved):
    path, _ = saved
    manifest = json.loads((path / "step-00000001" / "manifest.json").read_text())
    assert set(manifest) == set(FILES) - {"manifest.json"}


def test_saving_a_step_twice_writes_once(saved):
    path, _ = saved
    store = CheckpointStore(path, create_model(), keep=3)
    before = (path / "step-00000002" / "manifest.json").stat().st_mtime_ns
    store.save(2)
    assert (path / "step-00000002" / "manifest.json").stat().st_mtime_ns == before


def test_mirrored_variables_are_restored_on_every_replica(tmp_path):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        model = create_model()
    store = CheckpointStore(tmp_path, model)
    store.save(0)
    expected = model.head.kernel.numpy()
    model.head.kernel.assign(tf.zeros_like(model.head.kernel))
    store.restore()
    for replica in strategy.experimental_local_results(model.head.kernel):
        np.testing.assert_array_equal(replica.numpy(), expected)
