"""One writer, one identity."""

import dataclasses
import json

import pytest

from configs.command.errors import ConfigError, StorageError
from configs.demo import config
from configs.schema.serialization import from_json, to_json
from configs.ucf101_swin_tiny import config as swin_tiny
from storage.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.locked():
        yield folder


def test_a_run_goes_on_only_as_it_began(folder):
    text = to_json(config())
    facts = {"class_names": ["a", "b"], "train_fingerprint": "x"}
    folder.begin(text, facts)
    folder.begin(text, facts)
    run_id = folder.identity["run_id"]

    with pytest.raises(ConfigError, match="class_names.*was.*'a', 'b'.*'a', 'c'"):
        folder.begin(text, facts | {"class_names": ["a", "c"]})
    with pytest.raises(ConfigError, match=r"received 'y': .*added, removed, renamed"):
        folder.begin(text, facts | {"train_fingerprint": "y"})
    with pytest.raises(ConfigError, match=r"seed \(was 0, received 1\)"):
        folder.begin(text.replace('"seed": 0', '"seed": 1'), facts)
    with pytest.raises(ConfigError, match="epochs.*model.embed_dim"):
        changed = text.replace('"embed_dim": 24', '"embed_dim": 48')
        folder.begin(changed.replace('"epochs": ', '"epochs": 1'), facts)
    assert folder.saved_config() == text
    assert folder.identity["run_id"] == run_id


def test_a_run_of_a_version_without_schedules_goes_on(folder):
    """Such a run has its warm-up, 2.5 unless it was set, in its config."""
    now = to_json(swin_tiny().completed())
    values = json.loads(now)
    for name in ("schedule", "decay_epochs"):
        del values["optimizer"][name]
    assert values["optimizer"]["warmup_epochs"] == 2.5
    (folder / "config.json").write_text(json.dumps(values))
    folder.begin(now, {})
    assert folder.saved_config() == now


def test_only_some_runs_take_more_epochs(folder):
    now = config()
    folder.begin(to_json(now), {"train_size": 400})
    longer = dataclasses.replace(now, epochs=19)
    message = r"epochs \(was 18, received 19: every learning rate of .*cosine depends"
    with pytest.raises(ConfigError, match=message):
        folder.begin(to_json(longer), {})
    assert from_json(folder.saved_config()) == now


def test_another_run_with_the_weights_is_named_where_they_fit(folder):
    text = to_json(config())
    folder.begin(text, {"class_names": ["a"]})
    longer = text.replace('"epochs": 18', '"epochs": 20')
    with pytest.raises(ConfigError, match="old values, or choose another --workdir"):
        folder.begin(longer, {})  # There are no weights yet.
    path = folder / "checkpoints" / "step-00000000"
    path.mkdir(parents=True)
    (path / "manifest.json").touch()
    way = f"the same command with --init_from={folder.path} --workdir=NEW"
    with pytest.raises(
        ConfigError, match=rf"epochs \(was 18, received 20: .*\).*{way}"
    ):
        folder.begin(longer, {})
    folder.finish(RESULT)
    with pytest.raises(ConfigError, match=way):
        folder.begin(longer, {})
    with pytest.raises(ConfigError, match=way):
        folder.begin(text, {"class_names": ["b"]})
    wider = longer.replace('"embed_dim": 24', '"embed_dim": 48')
    with pytest.raises(ConfigError, match="old values, or choose another --workdir"):
        folder.begin(wider, {})


def test_names_that_look_alike_are_told_apart(folder):
    text = to_json(config())
    folder.begin(text, {"class_names": ["caf\u00e9"]})
    with pytest.raises(ConfigError, match=r"was \['caf\\xe9'\], .*'cafe\\u0301'\]"):
        folder.begin(text, {"class_names": ["cafe\u0301"]})
    with pytest.raises(ConfigError, match="was .'caf\u00e9'., received .'th\u00e9'."):
        folder.begin(text, {"class_names": ["th\u00e9"]})


def test_paths_and_replicas_may_change(folder):
    text = to_json(config())
    folder.begin(text, {})
    moved = text.replace("runs/demo_videos", "elsewhere")
    moved = moved.replace('"replicas": 2', '"replicas": 4')
    folder.begin(moved, {})
    assert folder.saved_config() == moved


@pytest.mark.parametrize("name", ["config.json", "run.json"])
def test_a_run_that_lost_what_it_is_does_not_become_another(folder, name):
    text = to_json(config())
    folder.begin(text, {})
    (folder / name).unlink()
    folder.begin(text, {})  # Killed between the two: nothing has been trained yet.
    (folder / "journal.jsonl").touch()
    folder.begin(text, {})
    (folder / name).unlink()
    with pytest.raises(ConfigError, match=f"{name} must be as the run.*not there"):
        folder.begin(text, {})
    assert not (folder / name).exists()


@pytest.mark.parametrize("name", ["config.json", "run.json", "finished.json"])
@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_damaged_files_are_named(folder, name, content):
    text = to_json(config())
    folder.begin(text, {})
    (folder / name).write_bytes(content)
    with pytest.raises(ConfigError, match=f"{name} must be as the run wrote it"):
        _ = folder.finished or folder.begin(text, {})


def test_the_classes_are_those_of_the_run(folder):
    folder.begin(to_json(config()), {"class_names": ["a", "b"]})
    assert folder.class_names == ["a", "b"]
    (folder / "run.json").write_text('{"run_id": "a", "class_names": null}')
    with pytest.raises(ConfigError, match="run.json must be.*names no classes"):
        _ = folder.class_names
    (folder / "run.json").unlink()
    with pytest.raises(ConfigError, match="run.json must be.*names no classes"):
        _ = folder.class_names


def test_a_folder_without_a_run_says_so(tmp_path):
    with pytest.raises(ConfigError, match="holds no config.json"):
        RunFolder(tmp_path).saved_config()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="must be a folder"):
        RunFolder(tmp_path / "file")
    with pytest.raises(StorageError, match="must be writable"):
        with RunFolder(tmp_path / "file" / "run").locked():
            pass


def test_no_workdir_says_so():
    with pytest.raises(ConfigError, match="--workdir must name"):
        RunFolder(None)


def test_the_next_writer_clears_what_a_killed_one_left(tmp_path):
    folder = RunFolder(tmp_path)
    (folder / ".journal.jsonl.123.tmp").touch()
    theirs = {"kept.tmp", ".notes.txt.tmp", ".my.backup.tmp", ".out.123.tmp"}
    for name in theirs:
        (folder / name).touch()
    with folder.locked():
        names = {path.name for path in tmp_path.iterdir()}
    assert names == {".lock"} | theirs


RESULT = {
    "top1": 0.5,
    "top5": 1.0,
    "mean_class_accuracy": 0.5,
    "loss": float("nan"),
    "videos": 4,
    "views": 2,
    "unreadable": [],
    "class_accuracies": {"a": 1.0, "b": None},
}
FACTS = {"class_names": ["a", "b"], "train_size": 3, "left_out": ["x"], "new": {"a": 1}}


def test_what_a_run_wrote_is_read_again(folder):
    folder.begin(to_json(config()), FACTS)
    assert folder.identity == {"run_id": folder.identity["run_id"], **FACTS}
    folder.finish(RESULT)  # A test split of which nothing could be read has no loss.
    assert folder.finished["class_accuracies"] == RESULT["class_accuracies"]


@pytest.mark.parametrize(
    ("name", "values", "field"),
    [
        ("run.json", {"run_id": 7}, "run_id"),
        ("run.json", {"run_id": None}, "run_id"),
        ("run.json", {"class_names": "ab"}, "class_names"),
        ("run.json", {"class_names": []}, "class_names"),
        ("run.json", {"class_names": ["a", 1]}, "class_names"),
        ("run.json", {"left_out": {"a": 1}}, "left_out"),
        ("run.json", {"train_size": -1}, "train_size"),
        ("run.json", {"graph_fingerprint": 1}, "graph_fingerprint"),
        ("run.json", {"initial_weights": {"step": 3}}, "run_id"),
        ("finished.json", {"top1": 1.5}, "top1"),
        ("finished.json", {"top1": "0.5"}, "top1"),
        ("finished.json", {"top1": float("nan")}, "top1"),
        ("finished.json", {"videos": 0.5}, "videos"),
        ("finished.json", {"unreadable": 3}, "unreadable"),
        ("finished.json", {"class_accuracies": {"a": 2}}, "class_accuracies"),
        ("config.json", {"seed": "0"}, "seed must be an integer"),
        ("config.json", {"data": 3}, "section data. of the config"),
    ],
)
def test_a_wrong_value_is_named_with_its_file(folder, name, values, field):
    folder.begin(to_json(config()), FACTS)
    folder.finish(RESULT)
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    with pytest.raises(ConfigError, match=f"{name} must be as .*{field}") as error:
        _ = folder.finished, folder.identity, folder.saved_config()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["config.json", "run.json", "finished.json"])
def test_what_is_nested_too_deep_is_damaged(folder, name):
    folder.begin(to_json(config()), FACTS)
    (folder / name).write_text('{"a": ' + "[" * 100_000)
    with pytest.raises(ConfigError, match=f"{name} must be as .*recursion"):
        _ = folder.finished, folder.identity, folder.saved_config()


def test_a_run_that_began_before_there_was_an_option_goes_on(folder):
    values = json.loads(to_json(config()))
    del values["model"]["trust_graph"]
    folder.begin(to_json(config()), {})
    (folder / "config.json").write_text(json.dumps(values))
    folder.begin(to_json(config()), {})
    assert folder.saved_config() == to_json(config())
