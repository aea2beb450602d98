"""What is done around TensorFlow's strategy for several workers."""

import os
import signal

import pytest

from configs.command.errors import ConfigError
from strategy import multi_worker
from tests.strategy.local import everyone


@pytest.mark.parametrize(
    ("names", "difference"),
    [
        (["CPU:0", "CPU:1"], "number is 1 on worker 0, 2 on worker 1"),
        (["GPU:0"], "kind is 'CPU' on worker 0, 'GPU' on worker 1"),
    ],
)
def test_workers_with_other_devices_are_refused_by_all(names, difference):
    def create(workers):
        own = names if workers.index else ["CPU:0"]
        return multi_worker.create_multi_worker_strategy(workers, own)

    for error in everyone(2, create):
        assert isinstance(error, ConfigError)
        assert str(error) == f"All workers must have the same devices; {difference}."


@pytest.fixture
def sigterm():
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def test_the_handler_of_sigterm_is_kept_although_the_strategy_fails(sigterm):
    def handler(*_):
        pass

    signal.signal(signal.SIGTERM, handler)
    with pytest.raises(ZeroDivisionError), multi_worker._kept_signals():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # As TensorFlow does.
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGTERM) is handler


def test_sigterm_waits_until_its_handler_is_back(sigterm):
    heard = []
    signal.signal(signal.SIGTERM, lambda *_: heard.append("ours"))
    with multi_worker._kept_signals():
        signal.signal(signal.SIGTERM, lambda *_: heard.append("TensorFlow's"))
        signal.raise_signal(signal.SIGTERM)
    assert heard == ["ours"]
    signal.raise_signal(signal.SIGTERM)
    assert heard == ["ours", "ours"]


def test_a_handler_that_python_has_not_set_is_left(sigterm, monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda _: None)
    with multi_worker._kept_signals():
        pass


def test_proxies_are_passed_by(monkeypatch):
    monkeypatch.setenv("no_grpc_proxy", "a")
    multi_worker._pass_by_proxies(["b:1", "[::1]:2", "b:3"])
    assert os.environ["no_grpc_proxy"] == "a,::1,b"
