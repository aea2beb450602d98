"""How much memory a replica has; the driver's answers are made up."""

import types

import pytest

from strategy import memory

GPUS = [
    ["0", "A100", "40960", "512", "550"],
    ["1", "A100", "40960", "20480", "550"],
    ["2", "A100", "40960", "1024", "550"],
]


def strategy_of(*devices):
    extended = types.SimpleNamespace(worker_devices=devices)
    return types.SimpleNamespace(extended=extended)


@pytest.fixture
def gpus(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(memory, "listed_gpus", lambda: GPUS)


def test_logical_devices_share_what_the_machine_has_left(monkeypatch, tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 64 kB\nMemAvailable:   48 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    assert memory.replica_memory(strategy_of("CPU:0")) == 48 * 1024
    assert memory.replica_memory(strategy_of("CPU:0", "CPU:1")) == 24 * 1024


def test_a_container_may_have_less(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("4096\n")
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "memory.max")
    assert memory.host_memory() == 4096
    assert memory.replica_memory(strategy_of("CPU:0", "CPU:1")) == 2048
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.host_memory() > 4096


def test_without_linux_the_whole_machine_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "none")
    assert memory.replica_memory(strategy_of("CPU:0")) == memory.host_memory()


def test_of_gpus_the_fullest_counts(gpus):
    assert memory.replica_memory(strategy_of("GPU:0")) == (40960 - 512) * 2**20
    two = strategy_of("GPU:0", "GPU:1")
    assert memory.replica_memory(two) == 20480 * 2**20


def test_only_visible_gpus_count(gpus, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0")
    assert memory.replica_memory(strategy_of("GPU:0")) == (40960 - 1024) * 2**20


def test_a_driver_that_does_not_tell_is_unknown(monkeypatch):
    monkeypatch.setattr(memory, "listed_gpus", lambda: [])
    assert memory.replica_memory(strategy_of("GPU:0")) is None
    silent = [["0", "GB10", "[N/A]", "[N/A]", "580"]]
    monkeypatch.setattr(memory, "listed_gpus", lambda: silent)
    assert memory.replica_memory(strategy_of("GPU:0")) is None
