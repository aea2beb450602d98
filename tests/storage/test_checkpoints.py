"""Checkpoints are absent or complete, verified, and never of another model."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from configs.command.errors import CheckpointError, NumericsError, StorageError
from storage import files
from storage.checkpoints import CheckpointStore
from storage.manifests import to_manifest


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


def open_store(path, model, **options):
    return CheckpointStore(path, model, run_id="a run", **options)


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
    store = open_store(tmp_path / "checkpoints", model, keep=3)
    states = {}
    for step in (1, 2):
        train(model)
        store.save(step)
        states[step] = values(model)
    return store.path, states


def test_the_newest_is_restored_whole(saved, caplog):
    path, states = saved
    model = create_model()
    store = open_store(path, model, keep=3)
    with caplog.at_level("INFO", "absl"):
        assert store.restore() == 2
    assert_equal(values(model), states[2])
    line = f"All {len(store.variables)} variables from the checkpoint of step 2."
    assert line in caplog.text


def test_a_folder_without_checkpoints_restores_nothing(tmp_path):
    assert open_store(tmp_path / "none", create_model()).restore() is None


FILES = (
    "variables.index",
    "variables.data-00000-of-00001",
    "state.json",
    "manifest.json",
)


def truncate(fraction):
    def damage(file):
        content = file.read_bytes()
        file.write_bytes(content[: int(len(content) * fraction)])

    return damage


def flip_a_bit(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def replace_by_folder(file):
    file.unlink()
    file.mkdir()


def replace_by_another_steps(file):
    shutil.copy(file.parents[1] / "step-00000001" / file.name, file)


DAMAGES = {
    "emptied": truncate(0),
    "halved": truncate(0.5),
    "a byte short": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "a bit flipped": flip_a_bit,
    "deleted": os.unlink,
    "a folder": replace_by_folder,
    "another step's": replace_by_another_steps,
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_one_is_set_aside_and_the_one_before_used(saved, name, damage):
    path, states = saved
    damage(path / "step-00000002" / name)
    model = create_model()
    store = open_store(path, model, keep=3)
    assert store.restore() == 1
    assert_equal(values(model), states[1])
    assert store.steps() == [1]
    assert (path / "step-00000002.damaged").exists()


def test_another_runs_checkpoint_is_noticed(saved):
    path, _ = saved
    other = CheckpointStore(path, create_model(), run_id="another run", keep=3)
    other.save(3)
    assert open_store(path, create_model(), keep=3).restore() == 2
    assert (path / "step-00000003.damaged").exists()


def test_other_names_beside_the_checkpoints_are_left_alone(saved):
    path, _ = saved
    for name in ("step-00000002-copy", "step-best", "step-00000002.bak"):
        shutil.copytree(path / "step-00000002", path / name)
    store = open_store(path, create_model(), keep=1)
    assert store.restore() == 2
    store.save(3)
    assert len(list(path.glob("step-*"))) == 4


@pytest.mark.parametrize("number", ["00000003", "99999999", "9" * 40, "٠" * 8])
@pytest.mark.parametrize("make", [Path.mkdir, Path.touch], ids=["folder", "file"])
def test_a_name_alone_is_no_checkpoint(saved, caplog, number, make):
    path, _ = saved
    make(path / f"step-{number}")
    store = open_store(path, create_model(), keep=3)
    assert store.steps() == [2, 1]
    assert store.restore() == store.restore_weights() == 2
    store.save(3)
    assert store.steps() == [3, 2, 1]
    if number == "00000003":
        assert "step-00000003 cannot be used (it holds nothing of one)" in caplog.text
        assert (path / "step-00000003.stray").exists()


def test_files_of_another_step_are_noticed(saved):
    path, _ = saved
    shutil.rmtree(path / "step-00000002")
    shutil.copytree(path / "step-00000001", path / "step-00000002")
    assert open_store(path, create_model(), keep=3).restore() == 1


def test_when_none_is_usable_the_run_stops_and_nothing_is_changed(saved):
    path, _ = saved
    for step in (1, 2):
        flip_a_bit(path / f"step-{step:08d}" / "state.json")
    before = sorted(path.rglob("*"))
    with pytest.raises(CheckpointError, match="step 2: .*step 1: .*another --workdir"):
        open_store(path, create_model(), keep=3).restore()
    assert sorted(path.rglob("*")) == before


def test_a_set_aside_checkpoint_alone_is_no_fresh_start(saved):
    path, _ = saved
    shutil.rmtree(path / "step-00000001")
    os.rename(path / "step-00000002", path / "step-00000002.damaged")
    with pytest.raises(CheckpointError, match="No checkpoint"):
        open_store(path, create_model(), keep=3).restore()


def test_another_model_is_refused(saved):
    path, _ = saved
    with pytest.raises(CheckpointError, match="does not fit this model"):
        open_store(path, create_model(units=5), keep=3).restore()


def test_weights_that_are_not_finite_are_never_committed(saved):
    path, _ = saved
    model = create_model()
    store = open_store(path, model, keep=3)
    store.restore()
    model.head.bias.assign([np.nan, 0])
    with pytest.raises(
        NumericsError, match="head/bias.* does not.*last good.*step-00000002"
    ):
        store.save(3)
    assert store.steps() == [2, 1]


def test_the_newest_and_the_protected_stay(tmp_path):
    store = open_store(tmp_path, create_model(), keep=2)
    for step in range(5):
        store.save(step, protect=[1])
    assert store.steps() == [4, 3, 1]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"step-{step:08d}" for step in (1, 3, 4)
    ]


@pytest.mark.parametrize("point", ["write", "sync", "rename"])
def test_a_disk_that_is_full_leaves_the_others_and_no_debris(saved, monkeypatch, point):
    path, _ = saved
    store = open_store(path, create_model(), keep=3)
    before = sorted(path.rglob("*"))

    def full(*_):
        raise OSError(28, "No space left on device")

    target = {
        "write": (store.checkpoint, "write"),
        "sync": (files, "sync"),
        "rename": (os, "replace"),
    }[point]
    with monkeypatch.context() as context:
        context.setattr(*target, full)
        with pytest.raises(StorageError, match="step 3 could not be written.*No space"):
            store.save(3)
    assert sorted(path.rglob("*")) == before
    store.save(3)
    assert store.steps() == [3, 2, 1]


def test_everything_is_on_the_disk_before_the_name_appears(tmp_path, monkeypatch):
    """And the name itself afterwards, in a folder whose own name is."""
    done = []
    sync, replace = files.sync, os.replace
    monkeypatch.setattr(
        files, "sync", lambda path: (done.append(path.name), sync(path))
    )
    monkeypatch.setattr(
        os, "replace", lambda *names: (done.append("rename"), replace(*names))
    )
    path = tmp_path / "checkpoints"
    open_store(path, create_model()).save(1)
    assert done[0] == tmp_path.name
    assert set(done[1:-3]) == set(FILES)
    assert files.LEFT.fullmatch(done[-3])["name"] == "step-00000001"
    assert done[-2:] == ["rename", "checkpoints"]


def test_an_old_one_that_cannot_be_removed_does_not_fail_the_save(saved, monkeypatch):
    path, _ = saved
    store = open_store(path, create_model(), keep=2)
    rename = os.rename

    def refuse_old(source, target):
        if "step-00000001" in str(source):
            raise OSError(16, "Device or resource busy")
        rename(source, target)

    with monkeypatch.context() as context:
        context.setattr(os, "rename", refuse_old)
        store.save(3)
    assert store.steps() == [3, 2, 1]
    store.save(4)
    assert store.steps() == [4, 3]


def test_an_interrupted_save_is_cleared_away(saved):
    path, _ = saved
    (path / ".step-00000003.123.tmp").mkdir()
    (path / ".step-00000003.123.tmp" / "variables.index").touch()
    store = open_store(path, create_model(), keep=3)
    assert store.restore() == 2
    store.save(4)
    assert not list(path.glob(".*"))


def open_untrained(path):
    """A store of a model that is not compiled, as for an evaluation."""
    model = create_model()
    model.optimizer = None
    return open_store(path, model), model


@pytest.mark.parametrize(("step", "restored"), [(None, 2), (2, 2), (1, 1)])
def test_evaluation_restores_weights_and_touches_nothing(saved, step, restored):
    path, states = saved
    before = sorted(path.rglob("*"))
    store, model = open_untrained(path)
    assert store.restore_weights(step) == restored
    assert_equal(
        [v.numpy() for v in model.variables], states[restored][: len(model.variables)]
    )
    assert sorted(path.rglob("*")) == before


def test_evaluation_never_falls_back_to_an_older_checkpoint(saved):
    """Its result would be that of another step than its reader thinks."""
    path, _ = saved
    flip_a_bit(path / "step-00000002" / "manifest.json")
    before = sorted(path.rglob("*"))
    store, _ = open_untrained(path)
    message = r"step-00000002 cannot be used: .* choose another --step of \[1\]"
    with pytest.raises(CheckpointError, match=message):
        store.restore_weights()
    assert store.restore_weights(1) == 1
    assert sorted(path.rglob("*")) == before


def test_a_step_without_a_checkpoint_is_answered_with_those_that_have_one(saved):
    path, _ = saved
    store, _ = open_untrained(path)
    with pytest.raises(CheckpointError, match="no checkpoint of step 7.*steps: 2, 1"):
        store.restore_weights(7)
    store, _ = open_untrained(path.parent / "empty")
    with pytest.raises(CheckpointError, match="There is no checkpoint in .*: none"):
        store.restore_weights()


def test_the_manifest_lists_what_is_there(saved):
    path, _ = saved
    manifest = json.loads((path / "step-00000001" / "manifest.json").read_text())
    assert set(manifest) == set(FILES) - {"manifest.json"}


def test_what_a_kill_while_pruning_left_is_cleared_away(saved):
    path, _ = saved
    (path / "step-00000001").rename(path / ".step-00000001.123.tmp")
    store = open_store(path, create_model(), keep=1)
    store.restore()
    assert [p.name for p in path.iterdir()] == ["step-00000002"]


def test_saving_a_step_again_still_removes_what_is_not_kept(saved):
    path, _ = saved
    open_store(path, create_model(), keep=1).save(2)
    assert [p.name for p in path.iterdir()] == ["step-00000002"]


def test_a_checkpoint_may_be_passed_over_for_another_reason(saved, caplog):
    path, states = saved
    model = create_model()
    store = open_store(path, model, keep=3)
    assert store.restore(objection=lambda step: "too new" if step > 1 else None) == 1
    assert_equal(values(model), states[1])
    assert "step-00000002 cannot be used (too new)" in caplog.text


def test_saving_a_step_twice_writes_once(saved):
    path, _ = saved
    store = open_store(path, create_model(), keep=3)
    before = (path / "step-00000002" / "manifest.json").stat().st_mtime_ns
    store.save(2)
    assert (path / "step-00000002" / "manifest.json").stat().st_mtime_ns == before


def test_mirrored_variables_are_restored_on_every_replica(tmp_path):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        model = create_model()
    store = open_store(tmp_path, model)
    store.save(0)
    expected = model.head.kernel.numpy()
    model.head.kernel.assign(tf.zeros_like(model.head.kernel))
    store.restore()
    for replica in strategy.experimental_local_results(model.head.kernel):
        np.testing.assert_array_equal(replica.numpy(), expected)


def change_manifest(change):
    def damage(folder):
        manifest = json.loads((folder / "manifest.json").read_text())
        change(manifest)
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return damage


def change_state(**values):
    """Replaces what state.json holds, under a manifest that fits it."""

    def damage(folder):
        path = folder / "state.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))
        names = [p.name for p in folder.iterdir() if p.name != "manifest.json"]
        (folder / "manifest.json").write_text(to_manifest(folder, names))

    return damage


LEADS_OUT = {"bytes": 0, "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (change_manifest(dict.clear), "does not list state.json"),
        (
            change_manifest(lambda files: files.pop("variables.index")),
            "does not list variables.index",
        ),
        (
            change_manifest(lambda files: files["state.json"].update(bytes=-1)),
            r"manifest.json is damaged: .*`\$\[\.\.\.\]\.bytes`",
        ),
        (
            change_manifest(lambda files: files["state.json"].update(bytes=1.5)),
            r"manifest.json is damaged: .*bytes",
        ),
        (
            change_manifest(lambda files: files["state.json"].update(sha256="A" * 64)),
            r"manifest.json is damaged: .*sha256",
        ),
        (
            change_manifest(lambda files: files.update({"../../x": LEADS_OUT})),
            "names '../../x', which is not in its folder",
        ),
        (
            change_manifest(lambda files: files.update({"/etc/passwd": LEADS_OUT})),
            "names '/etc/passwd', which is not in its folder",
        ),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "damaged"),
        (
            lambda folder: (folder / "manifest.json").write_text("[" * 100_000),
            "damaged",
        ),
        (
            lambda folder: (folder / "variables.data-00001-of-00002").touch(),
            "does not list variables.data-00001-of-00002",
        ),
        (change_state(step="2"), r"step"),
        (change_state(step=-2), r"step"),
        (change_state(run_id=None), r"run_id"),
    ],
)
def test_a_manifest_or_state_that_says_something_else_is_damage(saved, damage, reason):
    path, _ = saved
    damage(path / "step-00000002")
    store, _ = open_untrained(path)
    with pytest.raises(CheckpointError, match=reason) as error:
        store.restore_weights(2)
    assert "\n" not in str(error.value)
    assert open_store(path, create_model(), keep=3).restore() == 1


def test_a_checkpoint_is_no_link_to_what_another_may_change(saved, tmp_path):
    path, _ = saved
    file = path / "step-00000002" / "variables.index"
    shutil.move(file, tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert open_store(path, create_model(), keep=3).restore() == 1
