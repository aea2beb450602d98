"""The devices, the memory and the libraries that a run would use."""

import importlib.metadata
import os

import tensorflow as tf
from packaging.requirements import Requirement

from configs.command.findings import note, ok, wrong
from strategy.driver import ADVICE, listed_gpus
from strategy.environment import PROJECT
from strategy.memory import host_memory

GIB = 2**30
SHOWN = ("python", "tensorflow", "tf_keras", "numpy", "opencv-python-headless", "av")
BUSY = 0.1  # of a GPU's memory, used before a run begins
BFLOAT16_CAPABILITY = (8, 0)


def check_devices(strategy):
    """Finds which devices of this worker compute, and whether any are missed.

    The driver's own list of GPUs (`nvidia-smi`) is compared with TensorFlow's.

    Args:
        strategy: the `tf.distribute.Strategy` of the run.

    Yields:
        `Finding`.
    """
    local, replicas = strategy.extended.worker_devices, strategy.num_replicas_in_sync
    cores = len(os.sched_getaffinity(0))
    host = f"{cores} cores, {host_memory() / GIB:.1f} GiB of memory"
    if replicas > len(local):
        yield note(f"replicas: {replicas}, of which this worker has {len(local)}.")
    seen, listed = tf.config.list_physical_devices("GPU"), listed_gpus()
    chosen = "CUDA_VISIBLE_DEVICES" in os.environ
    if not seen and (chosen or not listed):
        yield note(
            f"devices: no GPU, {len(local)} logical CPU devices; {host}. Nothing that "
            "only GPUs do (NCCL, GPU kernels, TF32) is checked."
        )
        return
    if len(seen) < len(listed) and not chosen:
        yield wrong(
            f"devices: the driver lists {len(listed)} GPUs, TensorFlow sees "
            f"{len(seen)}.",
            ADVICE,
        )
    else:
        yield ok(f"devices: TensorFlow sees {len(seen)} GPUs; {host}.")
    for gpu in listed:
        yield _gpu_finding(gpu)


def without_bfloat16():
    """Names of this worker's GPUs that have no units for bfloat16."""
    found = []
    for gpu in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpu)
        if details.get("compute_capability", (0, 0)) < BFLOAT16_CAPABILITY:
            found.append(details.get("device_name", gpu.name))
    return found


def check_versions(facts):
    """Finds whether the installed libraries are those that the project asks for.

    Args:
        facts: what `strategy.versions` returns.
    """
    versions = facts["versions"]
    shown = ", ".join(f"{name} {versions[name]}" for name in SHOWN)
    shown += f"; built for CUDA {versions['cuda'] or 'no'}, "
    shown += f"cuDNN {versions['cudnn'] or 'no'}"
    try:
        asked = importlib.metadata.requires(PROJECT) or []
    except importlib.metadata.PackageNotFoundError:
        return note(
            f"versions: {shown}. The project is not installed (make setup), so that "
            "they cannot be compared with what it asks for."
        )
    unfit = [text for text in asked if not _is_met(Requirement(text))]
    if unfit:
        return wrong(
            f"versions: {shown}. Not as the project asks: {'; '.join(unfit)}.",
            "Install them with the constraints: make setup.",
        )
    return ok(f"versions: {shown}; all as the project asks.")


def _is_met(requirement):
    """Whether what a requirement asks for is installed, or it is not asked for here."""
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        return True
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return requirement.specifier.contains(version, prereleases=True)


def _gpu_finding(gpu):
    """What is said of one row of the driver's list; some GPUs tell no memory."""
    index, name, total, used, driver = gpu
    if not (total.isdecimal() and used.isdecimal()):
        return note(f"GPU {index}: {name}, memory not told, driver {driver}.")
    total, used = int(total) / 1024, int(used) / 1024
    text = f"GPU {index}: {name}, {total:.1f} GiB, {used:.1f} in use, driver {driver}."
    if used > BUSY * total:
        return note(f"{text} Another process may hold it: see nvidia-smi.")
    return ok(text)
