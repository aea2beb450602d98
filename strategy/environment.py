"""What a run computes with: versions, devices, host."""

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import socket
import subprocess
from pathlib import Path

import tensorflow as tf

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT = "video-swin-finetuning"
LIBRARIES = ("tensorflow", "tf_keras", "numpy", "opencv-python-headless", "av")


def computing_environment(strategy, precision, workers=None):
    """What numbers may depend on besides a run's options, as JSON values.

    Args:
        strategy: the `tf.distribute.Strategy` of the run.
        precision: the run's `runtime.precision`.
        workers: the `Workers` of the run, all of which call this; None for this
            process alone.

    Returns:
        dict of what `versions` returns, `devices` (this worker's), `replicas` (of all
        workers), `precision`, `host` and, where there are several workers, `workers`
        (how many) and their `hosts`.
    """
    host = socket.gethostname()
    several = {}
    if workers is not None and workers.count > 1:
        several = {"workers": workers.count, "hosts": workers.gather("host", host)}
    return {
        **versions(),
        "devices": _devices(strategy),
        "replicas": strategy.num_replicas_in_sync,
        "precision": precision,
        "host": host,
        **several,
    }


def versions():
    """What is installed.

    Returns:
        dict of `versions` (of libraries, of CUDA and cuDNN as TensorFlow was built for
        them, and of this project), `commit` and `modified` (whether tracked files
        differ from it). Without git or a checkout `commit` is VIDEO_SWIN_COMMIT, or
        None, and `modified` is None, as it is where git took too long to tell (on a
        file server that has not been read from yet).
    """
    return {"versions": _versions(), **_commit(REPOSITORY)}


def code_sha256(repository=REPOSITORY):
    """A hash of the code of this project: its programs and packages, by name.

    Args:
        repository: the folder that they lie in.
    """
    packages = [file.parent for file in repository.glob("*/__init__.py")]
    found = [*repository.glob("*.py"), *(f for p in packages for f in p.rglob("*.py"))]
    digest = hashlib.sha256()
    for file in sorted(found):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(repository)}\0{content}\0".encode())
    return digest.hexdigest()


def _versions():
    versions = {"python": platform.python_version()}
    for name in (*LIBRARIES, PROJECT):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    built = tf.sysconfig.get_build_info()
    versions["cuda"] = built.get("cuda_version")
    versions["cudnn"] = built.get("cudnn_version")
    return versions


def _devices(strategy):
    """The kind of each replica's device, as its driver names it."""
    models = {"CPU": platform.processor() or platform.machine()}
    for index, gpu in enumerate(tf.config.list_physical_devices("GPU")):
        details = tf.config.experimental.get_device_details(gpu)
        models[f"GPU:{index}"] = details.get("device_name", "unknown")
    names = []
    for device in strategy.extended.worker_devices:
        spec = tf.DeviceSpec.from_string(device)
        name = f"{spec.device_type}:{spec.device_index}"
        model = models.get(name) or models.get(spec.device_type, "unknown")
        names.append(f"{name} ({model})")
    return names


def _commit(repository):
    """The commit of a checkout and whether it is modified, as far as git tells."""
    # An image, which holds no checkout, is built with the variable.
    commit, changes = os.environ.get("VIDEO_SWIN_COMMIT") or None, None
    if (repository / ".git").exists():  # It may lie in a checkout of others.
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            commit = _git(repository, "rev-parse", "HEAD")
            changes = _git(repository, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "modified": None if changes is None else bool(changes)}


def _git(repository, *arguments):
    # GIT_DIR, which hooks are given, would name another repository.
    environ = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    return subprocess.run(
        ["git", "-C", repository, *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=10,
        env=environ | {"GIT_OPTIONAL_LOCKS": "0"},
    ).stdout.strip()
