"""From `runtime.replicas` to a strategy, on GPUs or logical CPU devices."""

import tensorflow as tf
from absl import logging

from configs.command.errors import ConfigError
from strategy.driver import ADVICE, count_gpus
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
    warn_of_devices(gpus)
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


def warn_of_devices(gpus):
    """Warns of what TensorFlow's own warnings, which are not shown, say of GPUs.

    It sees none where there are some, or has to compile its kernels for them first.

    Args:
        gpus: those that TensorFlow sees.
    """
    missed = 0 if gpus else count_gpus()
    if missed:
        logging.warning(
            "TensorFlow sees no GPU, but there are %d of NVIDIA here: it computes on "
            "the CPU. %s",
            missed,
            ADVICE,
        )
    details = map(tf.config.experimental.get_device_details, gpus)
    capabilities = {one.get("compute_capability") for one in details} - {None}
    for major, minor in sorted(capabilities):
        if not _has_kernels(major, minor):
            logging.warning(
                "This TensorFlow holds no machine code for GPUs of compute capability "
                "%d.%d: the driver compiles each kernel at its first use, which may "
                "take many minutes, and keeps it in ~/.nv for later runs.",
                major,
                minor,
            )


def _has_kernels(major, minor):
    """Whether code for a compute capability was built in, as sm_80 or compute_80.

    It runs on GPUs of the same major and no smaller minor number.
    """
    built = tf.sysconfig.get_build_info().get("cuda_compute_capabilities", ())
    numbers = [int(name.rpartition("_")[2]) for name in built]
    return any(n // 10 == major and n % 10 <= minor for n in numbers)


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
