"""From a number of replicas to a strategy."""

import pytest
import tensorflow as tf

from configs.command.errors import ConfigError
from configs.schema import Runtime
from strategy import create_strategy


@pytest.mark.parametrize("replicas", [1, 2, 4])
def test_replicas_are_logical_devices_where_there_is_no_gpu(replicas, caplog):
    strategy = create_strategy(Runtime(replicas=replicas))
    assert strategy.num_replicas_in_sync == replicas
    assert isinstance(strategy, tf.distribute.MirroredStrategy)
    devices = strategy.extended.worker_devices
    assert len(set(devices)) == replicas


def test_no_number_means_one_cpu():
    assert create_strategy(Runtime()).num_replicas_in_sync == 1


def test_more_than_were_made_before_first_use_is_an_error():
    tf.constant(0) + 1
    with pytest.raises(ConfigError, match="runtime.replicas must be chosen before.*9"):
        create_strategy(Runtime(replicas=9))


def test_strategies_of_different_sizes_live_in_one_process():
    for replicas in (2, 4, 2):
        strategy = create_strategy(Runtime(replicas=replicas))
        total = tf.function(
            lambda strategy=strategy: strategy.reduce(
                "SUM", strategy.run(lambda: tf.constant(1.0)), axis=None
            )
        )()
        assert total.numpy() == replicas


def test_a_process_alone_does_not_read_tf_config(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}}')
    assert create_strategy(Runtime(replicas=2)).num_replicas_in_sync == 2


class Gpus:
    """Stands for tf.config on a machine with GPUs, which these tests do not have."""

    def __init__(self, monkeypatch, count, capability=(8, 0)):
        self.growing = []
        gpus = [f"gpu{index}" for index in range(count)]
        monkeypatch.setattr(
            tf.config,
            "list_physical_devices",
            lambda kind: gpus if kind == "GPU" else ["cpu"],
        )
        monkeypatch.setattr(
            tf.config.experimental,
            "set_memory_growth",
            lambda gpu, grow: self.growing.append(gpu),
        )
        monkeypatch.setattr(
            tf.config.experimental,
            "get_device_details",
            lambda gpu: {"compute_capability": capability},
        )
        monkeypatch.setattr(
            tf.distribute, "MirroredStrategy", lambda names, cross_device_ops: names
        )


def test_every_gpu_is_taken_and_its_memory_grows(monkeypatch):
    gpus = Gpus(monkeypatch, 3)
    assert create_strategy(Runtime()) == ["GPU:0", "GPU:1", "GPU:2"]
    assert gpus.growing == ["gpu0", "gpu1", "gpu2"]


def test_fewer_gpus_can_be_asked_for_but_not_more(monkeypatch):
    Gpus(monkeypatch, 3)
    assert create_strategy(Runtime(replicas=2)) == ["GPU:0", "GPU:1"]
    with pytest.raises(ConfigError, match="at most 3, the GPUs.*received 4"):
        create_strategy(Runtime(replicas=4))
