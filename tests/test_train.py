"""Whole runs: on 1, 2 and 4 replicas, interrupted and resumed."""

import collections
import dataclasses
import json
import os
import shutil
import signal
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest

import train
from callbacks import Preemption, update_ratios
from configs.command.errors import ConfigError, DataError, RetryError
from configs.schema import Model, Views, video_swin
from configs.schema.serialization import from_json, to_json
from data import stream
from export import export
from model import Evaluator, finished_result
from model.classifier import Classifier
from storage.run_folder import RunFolder
from storage.trained_videos import read_trained_videos
from strategy.workers import Workers
from tests.callbacks.events import shown
from tests.parsed_page import Page
from tests.replicas import mirrored
from tests.whole_runs import (
    KillAfter,
    Killed,
    assert_same_run,
    replace_runtime,
    rows,
    run,
)

pytestmark = pytest.mark.usefixtures("keep_signals")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of one uninterrupted run on two replicas, trained when first asked."""
    workdir = tmp_path_factory.mktemp("finished")

    def finished(config):
        if not (workdir / "finished.json").exists():
            run(config, workdir)
        return workdir

    return finished


def test_a_run_leaves_what_the_readme_says(tiny, finished):
    workdir = finished(tiny)
    names = {path.name for path in workdir.iterdir()}
    assert names >= {
        "checkpoints",
        "config.json",
        "confusion_matrix.png",
        "evaluation.json",
        "evaluation_timing.json",
        "finished.json",
        "history.jsonl",
        "journal.jsonl",
        "predictions.csv",
        "report.html",
        "run.json",
        "tensorboard",
        "timing.jsonl",
    }
    assert from_json((workdir / "config.json").read_text()) == tiny
    result = json.loads((workdir / "evaluation.json").read_text())
    assert (result["videos"], result["views"], result["step"]) == (7, 6, 23)
    assert [row["step"] for row in rows(workdir)] == list(range(1, 24))
    assert [row["epoch"] for row in rows(workdir, "history")] == list(range(7))
    assert all(0 <= row["top1"] <= 1 for row in rows(workdir, "history"))
    page = Page((workdir / "report.html").read_text(encoding="utf-8"))
    assert page.pictures and page.tags.count("svg") == 4  # Three curves, calibration.


def test_tensorboard_shows_what_the_folder_holds(tiny, finished):
    workdir = finished(tiny)
    folder = workdir / "tensorboard"
    losses = [value for tag, _, value in shown(folder) if tag == "loss"]
    np.testing.assert_allclose(losses, [row["loss"] for row in rows(workdir)], 1e-6)
    validated = [(s, v) for tag, s, v in shown(folder / "validation") if tag == "loss"]
    history = [(r["step"], r["validation_loss"]) for r in rows(workdir, "history")]
    np.testing.assert_allclose(validated, history, 1e-6)
    tags = [tag for tag, *_ in shown(folder)]
    assert tags.count("learning_rate/backbone") == 23
    assert tags.count("time/clips_per_second") == len(rows(workdir, "timing"))
    result = json.loads((workdir / "evaluation.json").read_text())
    assert ("test/top1", 23, pytest.approx(result["top1"])) in [*shown(folder)]
    pictures = {tag: value[2] for tag, _, value in shown(folder, "images")}
    assert pictures.keys() == {"first_batch", "test/confusion_matrix"}
    drawn = (workdir / "confusion_matrix.png").read_bytes()
    assert pictures["test/confusion_matrix"] == drawn


def test_the_learning_rate_of_each_update_is_the_schedules(tiny, finished):
    rates = [row["learning_rate"] for row in rows(finished(tiny))]
    warmup, steps, peak = round(1.5 * 13 / 4), 23, 3e-3
    expected = [
        peak * (0.1 + 0.9 * step / warmup)
        if step < warmup
        else peak * (1 + np.cos(np.pi * (step - warmup) / (steps - warmup))) / 2
        for step in range(steps)
    ]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "runtime",
    [
        {"replicas": 1},
        {"replicas": 4},
        {"replicas": 1, "accumulation_steps": 2},
        {"replicas": 1, "jit_compile": True},
    ],
    ids=["1 replica", "4 replicas", "2 accumulation steps", "XLA"],
)
def test_a_run_is_the_same_on_any_number_of_replicas(tiny, finished, tmp_path, runtime):
    run(replace_runtime(tiny, **runtime), tmp_path)
    ours, theirs = rows(tmp_path), rows(finished(tiny))
    for name in ("examples", "learning_rate", "weight", "epoch"):
        assert [row[name] for row in ours] == [row[name] for row in theirs]
    for name in ("loss", "gradient_norm"):
        np.testing.assert_allclose(
            [row[name] for row in ours[:20]],
            [row[name] for row in theirs[:20]],
            rtol=1e-4,
        )


def test_interrupted_anywhere_it_ends_as_if_it_had_not_been(tiny, finished, tmp_path):
    """At the first step, at a checkpoint, between two in the last epoch."""
    for step in (1, 4, 21):
        with pytest.raises(Killed):
            run(tiny, tmp_path, KillAfter(step))
    run(tiny, tmp_path)
    assert_same_run(tmp_path, finished(tiny))


def test_how_far_updates_move_the_weights_is_the_same_after_a_restart(
    small, tmp_path, monkeypatch
):
    monkeypatch.setattr(update_ratios, "EVERY", 5)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run(small, whole)
    with pytest.raises(Killed):
        run(small, cut, KillAfter(10))
    run(small, cut)
    assert_same_run(cut, whole)
    for part in ("backbone", "head"):
        name = f"{part}_update_ratio"
        ratios = {row["step"]: row[name] for row in rows(cut) if name in row}
        assert list(ratios) == [5, 10, 15, 20]
        assert all(0 < ratio < 1 for ratio in ratios.values())
        tag, events = f"update_ratio/{part}", shown(cut / "tensorboard")
        points = {step: value for t, step, value in events if t == tag}
        assert points == pytest.approx(ratios, rel=1e-6)


def test_nobody_waits_for_the_end_of_a_stream(small, tmp_path, monkeypatch):
    """Each epoch, validation and evaluation on several replicas has a stream."""
    threads = []

    def note():
        threads.append(threading.current_thread().name)

    class Iterator(stream.Iterator):
        def __init__(self, iterator):
            weakref.finalize(iterator, note)
            super().__init__(iterator)

    monkeypatch.setattr(stream, "Iterator", Iterator)
    run(replace_runtime(small, replicas=2), tmp_path)
    stream.wait_for_ends()
    assert threads == (2 * 7 + 1) * [stream.NAME]


def test_nothing_is_traced_again_for_epochs_and_validations(
    small, tmp_path, monkeypatch
):
    """A resumed run has a model of its own, which is traced once."""
    traced = collections.Counter()

    def counted(usual):
        def count(*arguments):
            traced[usual.__name__] += 1
            return usual(*arguments)

        return count

    for owner, name in ((Classifier, "train_step"), (Evaluator, "_probabilities")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    data = dataclasses.replace(small.data, validation="test")
    config = replace_runtime(small, replicas=2)
    config = dataclasses.replace(config, epochs=4, data=data)
    with pytest.raises(Killed):
        run(config, tmp_path, KillAfter(8))
    assert len(rows(tmp_path, "history")) == 2
    replicas = config.runtime.replicas
    assert traced == {"train_step": replicas, "_probabilities": 1}
    run(config, tmp_path)
    assert len(rows(tmp_path, "history")) == 4
    # The views come in batches of another size than the clips of a validation.
    assert traced == {"train_step": 2 * replicas, "_probabilities": 1 + 2}


def test_interrupted_in_validation_it_validates_again(tiny, finished, tmp_path):
    class InValidation(Preemption):
        def poll(self):
            if self.armed:
                raise Killed

        armed = False

        def after_step(self, step, logs):
            self.armed = step == 7

    with pytest.raises(Killed):
        run(tiny, tmp_path, InValidation())
    assert len(rows(tmp_path, "history")) == 1
    run(tiny, tmp_path)
    assert_same_run(tmp_path, finished(tiny))


def test_a_signal_saves_the_step_in_flight(small, tmp_path):
    class Signalled(Preemption):
        def after_step(self, step, logs):
            if step == 3:
                os.kill(os.getpid(), signal.SIGTERM)
                end = time.monotonic() + 300
                while self.signal is None and time.monotonic() < end:
                    time.sleep(0.001)
            super().after_step(step, logs)

    with pytest.raises(RetryError, match="SIGTERM.* goes on after step 3") as caught:
        run(small, tmp_path, Signalled())
    assert caught.value.exit_code == 75
    assert max(p.name for p in (tmp_path / "checkpoints").iterdir()) == "step-00000003"


def test_another_seed_is_another_run_and_cannot_go_on(tiny, finished):
    other = dataclasses.replace(tiny, seed=4)
    with pytest.raises(ConfigError, match=r"seed \(was 3, received 4\)"):
        run(other, finished(tiny))


def test_a_run_that_has_begun_needs_its_handle_no_more(small, converted, tmp_path):
    handle = tmp_path / "handle"
    shutil.copytree(converted, handle)
    data = dataclasses.replace(small.data, frames=4, size=16)
    given = dataclasses.replace(
        small, data=data, model=Model(handle=str(handle)), epochs=2
    )
    for name in ("whole", "parts"):
        folder = RunFolder(tmp_path / name)
        config = train.resolve(given, folder, Workers())
        assert config.model.embed_dim == 8
        if name == "whole":
            run(config, folder.path)
    with pytest.raises(Killed):
        run(config, folder.path, KillAfter(3))
    shutil.rmtree(handle)
    with pytest.raises(ConfigError, match="model.handle must be a"):
        train.resolve(given, RunFolder(tmp_path / "another"), Workers())
    run(train.resolve(given, folder, Workers()), folder.path)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


def test_a_run_of_an_older_version_goes_on_where_the_handle_now_decides(
    small, converted, tmp_path
):
    """Bit for bit, and whatever network the experiment describes now."""
    data = dataclasses.replace(small.data, frames=4, size=16)
    given = dataclasses.replace(
        small, data=data, model=Model(handle=str(converted)), epochs=2
    )
    run(given, tmp_path / "whole")
    with pytest.raises(Killed):
        run(given, tmp_path / "parts", KillAfter(3))
    path = tmp_path / "parts" / "config.json"
    saved = json.loads(path.read_text())
    assert saved["model"].pop("architecture_from") == "options"
    path.write_text(json.dumps(saved))
    model = video_swin("small", handle="gone", architecture_from="handle")
    run(dataclasses.replace(given, model=model.left_to_handle()), path.parent)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


def test_another_test_list_cannot_go_on(tiny, finished, tiny_root, tmp_path):
    workdir = finished(tiny)
    root = tmp_path / "root"
    shutil.copytree(tiny_root, root)
    path = root / "ucfTrainTestlist" / "testlist01.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    config = dataclasses.replace(
        tiny, data=dataclasses.replace(tiny.data, root=str(root))
    )
    with pytest.raises(ConfigError, match="these differ: evaluation_fingerprint"):
        run(config, workdir)


@pytest.mark.parametrize("content", [None, b"{", b"[]", b"\xff"])
def test_a_run_that_lost_its_config_says_so(tiny, tmp_path, content):
    (tmp_path / "checkpoints" / "step-00000000").mkdir(parents=True)
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ConfigError, match="config.json must be as the run wrote it"):
        train.resolve(tiny, RunFolder(tmp_path), Workers())


def test_replicas_that_cannot_share_a_batch_end_before_anything_is_written(
    tiny, monkeypatch, tmp_path
):
    """As with runtime.replicas=0 on a machine of three GPUs."""
    strategy = mirrored(3)
    monkeypatch.setattr(train, "create_strategy", lambda *_: strategy)
    with pytest.raises(ConfigError, match="3 x 1.*replica counts.*1, 2, 4"):
        run(tiny, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_finished_run_is_measured_again_for_other_views(tiny, finished, tmp_path):
    """And never shows an old number for new flags."""
    shutil.copytree(finished(tiny), tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    names = ("journal.jsonl", "history.jsonl", "timing.jsonl")
    before = {folder / name: (folder / name).read_bytes() for name in names}
    own = (folder / "evaluation.json").read_text()
    assert finished_result(tiny, folder) == json.loads(own)
    fewer = dataclasses.replace(tiny, views=dataclasses.replace(tiny.views, clips=1))
    assert finished_result(fewer, folder) is None
    result = run(fewer, folder.path)
    assert (result["views"], result["step"]) == (3, 23)
    assert json.loads((folder / "evaluation.json").read_text()) == result
    assert finished_result(fewer, folder) == result
    assert finished_result(tiny, folder) is None
    for changes in ({"sampling": "mmaction2"}, {"short_side": 40}):
        other = dataclasses.replace(fewer.views, **changes)
        assert finished_result(dataclasses.replace(fewer, views=other), folder) is None
    assert {path: path.read_bytes() for path in before} == before


def test_a_finished_run_notices_where_its_videos_are(tiny, finished, tmp_path, caplog):
    root = Path(tiny.data.root)
    data = dataclasses.replace(tiny.data, root=str(tmp_path / "gone"))
    moved = dataclasses.replace(tiny, data=data)
    folder = RunFolder(finished(tiny))
    assert finished_result(moved, folder) is None
    assert f"data.root was {root}, is {tmp_path / 'gone'}" in caplog.text
    with pytest.raises(DataError, match=r"data\.root must be a directory"):
        run(moved, folder.path)
    assert folder.finished, "what is not measured again stays as it was"
    shutil.copytree(folder.path, tmp_path / "run")
    (tmp_path / "run" / "config.json").write_text(to_json(moved))
    assert finished_result(moved, RunFolder(tmp_path / "run"))["step"] == 23
    assert f"data.root={tmp_path / 'gone'} is there no more" in caplog.text


def test_a_run_says_which_of_its_test_videos_it_is_trained_on(
    small, tiny_root, tmp_path, caplog
):
    """Copies under other names."""
    root = tmp_path / "root"
    shutil.copytree(tiny_root, root)
    lists = root / "ucfTrainTestlist"
    for name in (lists / "testlist01.txt").read_text().split()[:2]:
        copied = next((root / "UCF-101" / name).parent.glob("*_g01_c01.avi"))
        shutil.copyfile(copied, root / "UCF-101" / name)
    data = dataclasses.replace(small.data, root=str(root), validation="none")
    config = dataclasses.replace(small, data=data, epochs=2, views=Views(clips=1))
    result = run(config, tmp_path / "run")
    assert result["trained_videos"] == {"content": 2}
    assert "2 of 7 test videos are trained on" in caplog.text


def test_what_the_first_weights_were_trained_on_counts_too(
    tiny, finished, tiny_root, tmp_path, caplog
):
    """Fine-tuned on the other split, from an export of a run on the first one."""
    root = tmp_path / "root"
    shutil.copytree(tiny_root, root)
    lists = root / "ucfTrainTestlist"
    for name, other in (("train", "test"), ("test", "train")):
        shutil.copy(lists / f"{name}list01.txt", lists / f"{other}list02.txt")
    export(finished(tiny), tmp_path / "exported")
    changes = {"split": 2, "frame_interval": 2, "validation": "none"}
    data = dataclasses.replace(tiny.data, root=str(root), **changes)
    given = dataclasses.replace(
        replace_runtime(tiny, replicas=1),
        data=data,
        epochs=2,
        model=Model(handle=str(tmp_path / "exported")),
        views=Views(clips=1),
    )
    config = train.resolve(given, RunFolder(tmp_path / "run"), Workers())
    result = run(config, tmp_path / "run")
    assert result["trained_videos"] == {"content": 13}
    assert "data.frame_interval is 2; the model was trained with 1." in caplog.text
    assert "13 of 13 test videos are trained on" in caplog.text
    seen = read_trained_videos(tmp_path / "run" / "trained_videos.json")
    assert len(seen.contents) == 20
