"""Whole runs that begin with the weights of another run."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

import train
from configs.command.errors import CheckpointError, ConfigError
from configs.schema import Model, Views
from configs.schema.serialization import from_json
from export import describe
from model import create_model, open_trained, take_initial_weights
from storage.files import sha256
from storage.rows import Rows
from storage.run_folder import RunFolder
from storage.trained_videos import read_trained_videos
from strategy.workers import Workers
from tests.whole_runs import KillAfter, Killed, assert_same_run, rows, run

pytestmark = pytest.mark.usefixtures("keep_signals")

VALUES = "variables.data-00000-of-00001"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run of two epochs, validated on held-out groups: four steps."""
    workdir = tmp_path_factory.mktemp("trained")

    def trained(config):
        if not (workdir / "finished.json").exists():
            data = dataclasses.replace(
                config.data, validation="groups", validation_groups=(1, 2)
            )
            run(dataclasses.replace(keeping(config), epochs=2, data=data), workdir)
        return workdir

    return trained


@pytest.fixture
def begun(small, trained, tmp_path):
    """Begins another run with the weights of the first; returns its folder."""

    def begun(choice="", **changes):
        config = new(small, trained(small), choice, **changes)
        with pytest.raises(Killed):
            run(config, tmp_path / "begun", KillAfter(1))
        return tmp_path / "begun"

    return begun


def keeping(config):
    """The experiment with all of its checkpoints kept."""
    checkpoints = dataclasses.replace(config.checkpoints, keep=50)
    return dataclasses.replace(config, checkpoints=checkpoints)


def new(config, other, choice="", **changes):
    """The experiment of a run of other epochs, rates and seed that begins with `other`.

    Args:
        config: the experiment of the other run.
        other: its folder.
        choice: of its checkpoint.
        **changes: further fields.
    """
    optimizer = dataclasses.replace(config.optimizer, learning_rate=1e-3)
    usual = {"epochs": 3, "seed": 11, "optimizer": optimizer}
    init_from = f"{other}{choice}"
    return dataclasses.replace(keeping(config), init_from=init_from, **usual | changes)


def variables(workdir, step):
    """Name -> value of every variable in a step's checkpoint."""
    folder = workdir / "checkpoints" / f"step-{step:08}"
    reader = tf.train.load_checkpoint(str(folder / "variables"))
    names = reader.get_variable_to_shape_map()
    return {name: np.asarray(reader.get_tensor(name)) for name in names}


def optimizer_state(workdir, step):
    """Name -> value of the updates counted and of every moment."""
    return {
        name: value
        for name, value in variables(workdir, step).items()
        if name.startswith(("optimizer/_variables/", "optimizer/_iterations/"))
    }


def differing(workdir, other, step, part):
    """Names of a part's variables at step 0 that differ from those of the other run."""
    mine, theirs = variables(workdir, 0), variables(other, step)
    names = {name for name in mine if name.startswith(f"{part}/")}
    assert names and names == {name for name in theirs if name.startswith(f"{part}/")}
    return {name for name in names if mine[name].tobytes() != theirs[name].tobytes()}


def test_the_weights_come_in_exactly_and_all_else_begins_anew(small, trained, begun):
    workdir, other = begun(), trained(small)
    for part in ("backbone", "head"):
        assert not differing(workdir, other, 4, part)
    learnt, moments = (optimizer_state(*run) for run in ((other, 4), (workdir, 0)))
    assert learnt.keys() == moments.keys() and len(moments) > 50
    assert all(np.any(value) for value in learnt.values())
    assert not any(np.any(value) for value in moments.values())
    first = rows(workdir)[0]
    assert first["step"] == 1 and first["epoch"] == 0
    assert first["learning_rate"] == pytest.approx(1e-4), "a tenth of the peak"
    assert json.loads((workdir / "run.json").read_text())["initial_weights"] == {
        "run_id": RunFolder(other).identity["run_id"],
        "step": 4,
        "weights_sha256": sha256(other / "checkpoints" / "step-00000004" / VALUES),
    }
    saved = from_json((workdir / "config.json").read_text())
    assert (saved.init_from, saved.init_head) == (str(other), True)
    origin = describe(open_trained(workdir), "exported")["origin"]
    assert origin == f"fine-tuned from {other}"


def test_the_checkpoint_is_that_of_a_step_or_the_best(small, trained, begun):
    other = trained(small)
    assert not differing(begun("@2"), other, 2, "head")
    assert differing(begun("@2"), other, 4, "head")


@pytest.mark.parametrize("best", [2, 4])
def test_the_best_is_that_of_the_best_epoch(small, trained, tmp_path, best):
    """Whichever that was: here the history says that it was another one, too."""
    other = tmp_path / "other"
    shutil.copytree(trained(small), other)
    epochs = rows(other, "history")
    (other / "history.jsonl").unlink()
    history = Rows(other / "history.jsonl", key="epoch")
    for row in epochs:
        row.pop("crc")  # Which the rows write themselves.
        history.append(row | {"top1": float(row["step"] == best)})
    with pytest.raises(Killed):
        run(new(small, other, "@best"), tmp_path / "new", KillAfter(1))
    assert not differing(tmp_path / "new", other, best, "backbone")
    assert differing(tmp_path / "new", other, 6 - best, "backbone")


def test_the_backbone_can_be_taken_alone(small, trained, begun, caplog):
    with caplog.at_level("INFO", "absl"):
        workdir = begun(init_head=False)
    line = f"tensors from step 4 of {trained(small)}; head: new, 3 classes."
    assert line in caplog.text
    assert not differing(workdir, trained(small), 4, "backbone")
    assert any(
        "kernel" in name for name in differing(workdir, trained(small), 4, "head")
    )


def test_interrupted_and_without_the_other_run_it_ends_as_if_it_had_not_been(
    small, trained, tmp_path
):
    other = tmp_path / "other"
    shutil.copytree(trained(small), other)
    config = new(small, other)
    run(config, tmp_path / "whole")
    with pytest.raises(Killed):
        run(config, tmp_path / "parts", KillAfter(1))
    shutil.rmtree(other)
    with pytest.raises(Killed):
        run(config, tmp_path / "parts", KillAfter(6))
    run(config, tmp_path / "parts")
    assert_same_run(tmp_path / "parts", tmp_path / "whole")
    with pytest.raises(ConfigError, match="init_from must be RUN.*no config.json"):
        run(config, tmp_path / "another")
    elsewhere = dataclasses.replace(config, init_from=str(tmp_path / "whole"))
    with pytest.raises(ConfigError, match=r"init_from \(was .*/other', received"):
        run(elsewhere, tmp_path / "parts")


def test_a_run_without_another_says_where_its_weights_come_from(
    tiny, converted, tmp_path, caplog
):
    for handle, origin in (
        ("", "with random values"),
        (str(converted), f"from {converted}"),
    ):
        config = dataclasses.replace(
            tiny, model=dataclasses.replace(tiny.model, handle=handle)
        )
        model = create_model(tiny.model, num_classes=2, seed=1)
        with caplog.at_level("INFO", "absl"):
            take_initial_weights(model, config, RunFolder(tmp_path), ("Fall", "Rise"))
        tensors = len(model.backbone.variables)
        line = f"Backbone: {tensors} tensors {origin}; head: new, 2 classes."
        assert line in caplog.text


@pytest.mark.parametrize(
    ("class_names", "kept", "line"),
    [
        (("Slide", "Fall", "Rise"), {0: 2, 1: 0, 2: 1}, "3 classes kept."),
        (
            ("Jump", "Rise", "Café", "Fall"),
            {1: 1, 3: 0},
            "2 classes kept, 1 left out, 2 new: Jump, Café.",
        ),
        (
            tuple("abcdefghijkl"),
            {},
            "0 classes kept, 3 left out, 12 new: a, b, c, d, e, f, g, h, i, j and 2 "
            "more.",
        ),
    ],
)
def test_classes_are_known_by_their_names(
    small, trained, tmp_path, caplog, class_names, kept, line
):
    """Fall, Rise and Slide have the numbers 0, 1 and 2 in the other run."""
    other, folder = trained(small), RunFolder(tmp_path / "new")
    model = create_model(small.model, num_classes=len(class_names), seed=1)
    kernel, bias = model.head.kernel.numpy(), model.head.bias.numpy()
    config = new(small, other)
    with caplog.at_level("INFO", "absl"):
        take_initial_weights(model, config, folder, class_names)
    tensors = len(model.backbone.variables)
    found = f"Backbone: {tensors} tensors from step 4 of {other}; head: {line}"
    assert found in caplog.text
    source = open_trained(other).model
    for own in range(len(class_names)):
        if own in kept:
            kernel[:, own] = source.head.kernel.numpy()[:, kept[own]]
            bias[own] = source.head.bias.numpy()[kept[own]]
    np.testing.assert_array_equal(model.head.kernel.numpy(), kernel)
    np.testing.assert_array_equal(model.head.bias.numpy(), bias)
    for mine, theirs in zip(
        model.backbone.variables, source.backbone.variables, strict=True
    ):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy(), mine.name)


@pytest.mark.parametrize("name", [VALUES, "variables.index", "state.json"])
def test_a_damaged_checkpoint_is_refused_and_nothing_begun(
    small, trained, tmp_path, name
):
    other = tmp_path / "other"
    shutil.copytree(trained(small), other)
    path = other / "checkpoints" / "step-00000004" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"-00000004 cannot be.*@STEP.*\[2, 0\]"):
        run(new(small, other), tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == [".lock"]
    run(new(small, other, "@2", epochs=2), tmp_path / "new")


def test_a_checkpoint_may_go_while_videos_are_scanned(
    small, trained, tmp_path, monkeypatch
):
    """The other run goes on, and keeps its newest ones only."""
    other = shutil.copytree(trained(small), tmp_path / "other")
    *_, left, newest = sorted((other / "checkpoints").glob("step-????????"))
    open_clips = train.open_clips

    def scan(*arguments, **options):
        shutil.rmtree(newest)
        return open_clips(*arguments, **options)

    monkeypatch.setattr(train, "open_clips", scan)
    with pytest.raises(Killed):
        run(new(small, other), tmp_path / "begun", KillAfter(1))
    begun = RunFolder(tmp_path / "begun").identity["initial_weights"]
    assert begun["step"] == int(left.name.removeprefix("step-"))


def test_its_handle_is_not_needed(small, trained, tmp_path, caplog):
    """Not even to say what the model is."""
    model = Model(handle=str(tmp_path / "gone"), drop_path_rate=0.1)
    config = new(small, trained(small), model=model)
    config = train.resolve(config, RunFolder(tmp_path / "new"), Workers())
    assert config.model.architecture == small.model.architecture
    with caplog.at_level("INFO", "absl"), pytest.raises(Killed):
        run(config, tmp_path / "new", KillAfter(1))
    assert f"(and not from model.handle={tmp_path / 'gone'}); head" in caplog.text
    assert not differing(tmp_path / "new", trained(small), 4, "backbone")


def test_another_backbone_is_refused_before_anything_is_written(
    small, trained, tmp_path
):
    model = dataclasses.replace(small.model, window_size=(2, 2, 2))
    with pytest.raises(ConfigError, match="model.window_size is .*2, 4, 4.*2, 2, 2"):
        run(new(small, trained(small), model=model), tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == [".lock"]


def test_what_the_other_run_was_trained_on_counts_too(
    small, trained, tiny_root, tmp_path, caplog
):
    """Trained further on the test videos, and tested on the training videos."""
    root = tmp_path / "root"
    shutil.copytree(tiny_root, root)
    lists = root / "ucfTrainTestlist"
    for name, other in (("train", "test"), ("test", "train")):
        shutil.copy(lists / f"{name}list01.txt", lists / f"{other}list02.txt")
    changes = {"split": 2, "frame_interval": 2, "validation": "none"}
    data = dataclasses.replace(small.data, root=str(root), **changes)
    config = new(small, trained(small), data=data, epochs=2, views=Views(clips=1))
    result = run(config, tmp_path / "run")
    # Six of the thirteen were held out there, of groups that it was not trained on.
    assert result["trained_videos"] == {"content": 7}
    assert "data.frame_interval is 2; the model was trained with 1." in caplog.text
    before = read_trained_videos(trained(small) / "trained_videos.json")
    seen = read_trained_videos(tmp_path / "run" / "trained_videos.json")
    assert before.contents < seen.contents and len(seen.contents) == 14
