"""Devices that are missed, versions that were not asked for."""

import importlib.metadata
import subprocess

import pytest
import tensorflow as tf

import strategy.driver as driver
from configs.schema import Runtime
from strategy import (
    check_devices,
    check_versions,
    computing_environment,
    create_strategy,
)

A100 = "NVIDIA A100-SXM4-80GB, 81920"


@pytest.fixture
def strategy():
    return create_strategy(Runtime(replicas=2))


@pytest.fixture
def machine(monkeypatch):
    """What the driver lists, and how many GPUs TensorFlow sees."""

    def machine(*lines, seen):
        def query(command, **_):
            if not lines:
                raise FileNotFoundError(command[0])
            text = "".join(f"{line}\n" for line in lines)
            return subprocess.CompletedProcess(command, 0, text)

        monkeypatch.setattr(driver.subprocess, "run", query)
        monkeypatch.setattr(
            tf.config, "list_physical_devices", lambda kind: ["gpu"] * seen
        )
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return machine


def verdicts(findings):
    return [finding.verdict for finding in findings]


def test_without_gpus_it_is_said_what_is_not_checked(strategy, machine):
    machine(seen=0)
    (finding,) = check_devices(strategy)
    assert finding.verdict == "note" and "no GPU, 2 logical" in finding.text


def test_gpus_that_tensorflow_does_not_see_are_wrong(strategy, machine, monkeypatch):
    machine(f"0, {A100}, 4, 570.1", f"1, {A100}, 4, 570.1", seen=1)
    found = list(check_devices(strategy))
    assert verdicts(found) == ["WRONG", "ok", "ok"]
    assert "driver lists 2 GPUs, TensorFlow sees 1" in found[0].text
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # The user's own choice.
    assert not any(finding.is_wrong for finding in check_devices(strategy))


def test_memory_that_another_process_holds_is_noted(strategy, machine):
    machine(f"0, {A100}, 4, 570.1", f"1, {A100}, 40960, 570.1", "2, X, [N/A], [N/A], 5",
            seen=3)  # fmt: skip
    found = list(check_devices(strategy))
    assert verdicts(found) == ["ok", "ok", "note", "note"]
    assert "80.0 GiB, 40.0 in use" in found[2].text


def test_installed_versions_are_compared_with_those_asked_for(strategy, monkeypatch):
    facts = computing_environment(strategy, "float32")
    asked = ["numpy>=1", 'torch>=2; extra == "convert"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: asked)
    assert check_versions(facts).verdict == "ok"
    asked += ["tensorflow<2", "no-such-library"]
    finding = check_versions(facts)
    assert finding.is_wrong
    assert "Not as the project asks: tensorflow<2; no-such-library." in finding.text


def test_a_project_that_is_not_installed_is_noted(strategy, monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    facts = computing_environment(strategy, "float32")
    monkeypatch.setattr(importlib.metadata, "requires", absent)
    assert check_versions(facts).verdict == "note"
