"""From a number of replicas to a strategy."""

import pytest
import tensorflow as tf

from configs.command.errors import ConfigError
from configs.schema import Runtime
from strategy import create_strategy, driver


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


def test_a_gpu_that_tensorflow_does_not_see_is_told_of(monkeypatch, tmp_path, caplog):
    """By the driver's list, or by the device's file where there is no nvidia-smi."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(driver, "DEVICES", tmp_path)
    monkeypatch.setattr(driver, "listed_gpus", lambda: [])
    create_strategy(Runtime())
    assert "TensorFlow sees no GPU" not in caplog.text
    for name in ("nvidia0", "nvidia1", "nvidiactl"):
        (tmp_path / name).touch()
    create_strategy(Runtime())
    assert "sees no GPU, but there are 2 of NVIDIA here" in caplog.text
    assert "pip install -c constraints.txt -e '.[gpu]'" in caplog.text
    monkeypatch.setattr(driver, "listed_gpus", lambda: [["0"]] * 3)
    create_strategy(Runtime())
    assert "sees no GPU, but there are 3 of NVIDIA here" in caplog.text
    caplog.clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # The user's own choice.
    create_strategy(Runtime())
    assert "TensorFlow sees no GPU" not in caplog.text


@pytest.mark.parametrize(
    ("capability", "compiles"),
    [((8, 0), False), ((8, 6), False), ((9, 0), False), ((7, 5), False)]
    + [((12, 0), True), ((10, 0), True), ((5, 2), True)],
)
def test_a_gpu_without_machine_code_is_told_of(
    monkeypatch, caplog, capability, compiles
):
    built = {"cuda_compute_capabilities": ["sm_60", "sm_70", "sm_80", "compute_90"]}
    monkeypatch.setattr(tf.sysconfig, "get_build_info", lambda: built)
    Gpus(monkeypatch, 2, capability)
    create_strategy(Runtime())
    told = [r for r in caplog.records if "no machine code" in r.getMessage()]
    assert len(told) == compiles
    assert not told or "{}.{}".format(*capability) in told[0].getMessage()
