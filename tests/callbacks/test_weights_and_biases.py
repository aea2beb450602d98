"""What Weights & Biases gets, through a client of the test and through the real one."""

import dataclasses
import importlib.util
from importlib.machinery import ModuleSpec
from types import SimpleNamespace

import pytest

from callbacks import weights_and_biases
from callbacks.weights_and_biases import WeightsAndBiases
from configs import demo
from configs.command.errors import ConfigError
from storage.plans import plan_run
from storage.rows import Rows
from storage.run_folder import RunFolder

RUN_ID = "0123456789abcdef" * 2


class Client:
    """Keeps what is logged, as the server does: a step that is past is refused."""

    Settings = SimpleNamespace
    Image = str

    def __init__(self):
        self.history, self.summary, self.starts, self.finished = {}, {}, [], 0

    def init(self, **options):
        self.starts.append(options)
        return self

    @property
    def step(self):
        return max(self.history, default=-1) + 1

    def log(self, points, step=None):
        last = self.step - 1
        assert step is None or step >= last
        self.history.setdefault(last if step is None else step, {}).update(points)

    def finish(self):
        self.finished += 1


@pytest.fixture
def client(monkeypatch):
    client = Client()
    monkeypatch.setattr(weights_and_biases, "_wandb", lambda: client)
    return client


class Run:
    """The rows of a run in a folder, and its logger."""

    def __init__(self, path, monkeypatch):
        monkeypatch.setattr(RunFolder, "identity", {"run_id": RUN_ID})
        self.folder = RunFolder(path)
        self.rows = {n: Rows(path / n) for n in ("journal", "timing", "history")}

    def start(self, step):
        for rows in self.rows.values():
            rows.rewind(step)
        self.logger = WeightsAndBiases(
            self.folder, step=step, **self.rows, config=demo.config()
        )

    def train(self, *steps, seconds=0.5):
        for step in steps:
            row = {"step": step, "loss": 1 / step}
            self.rows["journal"].append(row)
            self.logger.on_train_batch_end(0, row)
            row = {"step": step, "seconds": seconds, "data_wait": 0.0}
            self.rows["timing"].append(row)
            self.logger.after_timing(row)

    def validate(self, step):
        row = {"step": step, "epoch": 0, "top1": 0.5}
        self.rows["history"].append(row)
        self.logger.after_epoch(row)


@pytest.fixture
def run(tmp_path, monkeypatch):
    return Run(tmp_path, monkeypatch)


def test_a_restart_continues_the_run_and_repeats_no_step(client, run):
    run.start(0)
    run.train(1, 2, 3, 4)
    run.validate(4)
    run.start(2)
    run.train(3, 4, 5, seconds=9.0)
    assert [start["id"] for start in client.starts] == [RUN_ID, RUN_ID]
    assert {start["resume"] for start in client.starts} == {"allow"}
    assert client.starts[0]["name"] == run.folder.path.name
    assert client.starts[0]["config"]["optimizer.learning_rate"] == 0.002
    losses = {step: points["loss"] for step, points in client.history.items()}
    assert losses == {step: 1 / step for step in range(1, 6)}
    seconds = [client.history[s]["time/seconds_per_step"] for s in range(1, 6)]
    assert seconds == [0.5] * 4 + [9.0]
    assert client.history[4]["validation/accuracy"] == 0.5


def test_what_came_before_it_was_asked_for_is_logged(client, run):
    run.rows["journal"].append({"step": 1, "loss": 1.0})
    run.rows["timing"].append({"step": 1, "seconds": 2.0, "data_wait": 1.0})
    run.rows["history"].append({"step": 1, "epoch": 0, "top1": 0.25})
    run.start(1)
    assert client.history == {
        1: {
            "loss": 1.0,
            "time/seconds_per_step": 2.0,
            "time/data_wait_seconds": 1.0,
            "time/clips_per_second": 4.0,
            "validation/accuracy": 0.25,
        }
    }


def test_the_result_is_its_summary(client, run):
    run.start(0)
    run.train(1)
    picture = run.folder / "confusion_matrix.png"
    picture.write_bytes(b"")
    run.logger.show_result({"top1": 0.75, "loss": None}, picture)
    assert client.summary == {"test/top1": 0.75}
    assert client.history[1]["test/confusion_matrix"] == str(picture)
    assert client.finished == 1


@pytest.mark.parametrize("broken", ["init", "log", "finish"])
def test_a_client_that_fails_ends_no_run(client, run, monkeypatch, caplog, broken):
    def fail(*_, **__):
        raise RuntimeError("no network")

    monkeypatch.setattr(client, broken, fail)
    run.start(0)
    run.train(1, 2)
    run.logger.show_result({"top1": 0.75}, run.folder / "none.png")
    line = "Weights & Biases gets no more (RuntimeError: no network)."
    assert caplog.text.count(line) == 1


@pytest.mark.parametrize("found", [None, ModuleSpec("wandb", None)])
def test_without_the_package_a_run_does_not_begin(tmp_path, monkeypatch, found):
    """A mere folder called wandb, as the client leaves one, is none."""
    config = demo.config()
    runtime = dataclasses.replace(config.runtime, wandb=True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    with pytest.raises(ConfigError, match="package wandb is not installed: pip"):
        plan_run(dataclasses.replace(config, runtime=runtime), tmp_path)


def test_the_real_client_keeps_it_all_offline(run, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="the extra wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for step in (0, 2):
        run.start(step)
        run.train(step + 1, step + 2, step + 3)
        run.validate(step + 3)
        assert run.logger.run is not None
        run.logger.show_result({"top1": 0.75}, run.folder / "none.png")
    wandb.teardown()  # As at the end of a process: only now is all of it written.
    # In the order of starts; each holds what came before it, too.
    *_, last = sorted(
        run.folder.path.glob(f"wandb/offline-run-*-{RUN_ID}/*.wandb"),
        key=lambda path: path.parent.name,
    )
    content = last.read_bytes()
    assert content.count(b"time/seconds_per_step") >= 5
    assert b"validation/accuracy" in content and b"test/top1" in content
