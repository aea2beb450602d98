"""How much memory there is: of the machine, and for each replica."""

import os
from pathlib import Path

from strategy.driver import listed_gpus

CGROUP = Path("/sys/fs/cgroup/memory.max")  # what a container may use, or "max"
MEMINFO = Path("/proc/meminfo")
KIB, MIB = 2**10, 2**20


def host_memory():
    """Bytes of memory that this process may use."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        return min(physical, int(CGROUP.read_text("ascii")))
    except (OSError, ValueError):  # No such limit.
        return physical


def replica_memory(strategy):
    """Bytes that each replica of this worker may use, before it has a model.

    Of GPUs it is what the driver says is free on the fullest; TensorFlow tells how much
    it has taken of a GPU, not how much there is. Logical CPU devices share the machine.

    Args:
        strategy: the `tf.distribute.Strategy` of the run.

    Returns:
        int, or None where the driver does not tell.
    """
    devices = strategy.extended.worker_devices
    if "GPU" not in devices[0]:
        return min(host_memory(), _available()) // len(devices)
    free = [
        MIB * (int(total) - int(used))
        for _, _, total, used, _ in _visible(listed_gpus())[: len(devices)]
        if total.isdecimal() and used.isdecimal()
    ]
    return min(free, default=None)


def _visible(gpus):
    """Those of the driver's list that CUDA_VISIBLE_DEVICES names by index, or all."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    by_index = {row[0]: row for row in gpus}
    chosen = [by_index[name.strip()] for name in names if name.strip() in by_index]
    return chosen or gpus


def _available():
    """Bytes that Linux can give without swapping; of other systems all."""
    try:
        rows = MEMINFO.read_text("ascii").splitlines()
    except OSError:
        return host_memory()
    values = dict(row.split(":") for row in rows)
    return KIB * int(values["MemAvailable"].split()[0])
