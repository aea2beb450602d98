"""From `runtime.replicas` to a strategy, on GPUs or logical CPU devices."""

import tensorflow as tf
from absl import logging

from configs.command.errors import ConfigError
from strategy.multi_worker import create_multi_worker_strategy


def create_strategy(runtime, workers=None):
    """Creates the strategy for training and evaluation, and logs what was chosen.

    Every replica count takes the same path, one replica included, so that a run moved
    from one device to several differs in nothing but the devices. Call it before
    anything else touches a device: TensorFlow fixes its devices at first use.

    Args:
        runtime: a `configs.schema.Runtime`.
        workers: the `Workers` of the run; None for this process alone.

    Returns:
        A MirroredStrategy, or a MultiWorkerMirroredStrategy where there are several
        workers.

    Raises:
        ConfigError: there are fewer GPUs than `runtime.replicas`, devices were fixed
            before, or the workers have different numbers of replicas.
    """
    if runtime.deterministic:
        tf.config.experimental.enable_op_determinism()
    gpus = tf.config.list_physical_devices("GPU")
    names = _gpu_names(gpus, runtime.replicas) if gpus else _cpu_names(runtime.replicas)
    several = workers is not None and workers.count > 1
    logging.info(
        "Strategy: %s on %s (%s)%s%s.",
        "MultiWorkerMirroredStrategy" if several else "MirroredStrategy",
        "1 device" if len(names) == 1 else f"{len(names)} devices",
        ", ".join(names),
        f" of each of {workers.count} workers" if several else "",
        ", deterministic operations" if runtime.deterministic else "",
    )
    if several:
        return create_multi_worker_strategy(workers, names)
    # On CPU devices TensorFlow's default is collectives, whose groups are fixed for the
    # whole process: a second strategy of another size would hang.
    reduction = None if gpus else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(names, cross_device_ops=reduction)


def _gpu_names(gpus, replicas):
    if replicas > len(gpus):
        raise ConfigError(
            f"runtime.replicas must be at most {len(gpus)}, the GPUs of this machine; "
            f"received {replicas}."
        )
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return [f"GPU:{index}" for index in range(replicas or len(gpus))]


def _cpu_names(replicas):
    count = max(replicas, 1)
    cpu = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(cpu) or [None]) < count:
        device = tf.config.LogicalDeviceConfiguration()
        try:
            tf.config.set_logical_device_configuration(cpu, [device] * count)
        except RuntimeError as error:
            raise ConfigError(
                f"runtime.replicas must be chosen before any device is used; received "
                f"{replicas}: {error}"
            ) from None
    return [f"CPU:{index}" for index in range(count)]
