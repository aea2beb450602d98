"""Which workers a run has: from TF_CONFIG or from Slurm's environment."""

import dataclasses
import ipaddress
import os
import re

from configs.command.errors import ConfigError
from storage.records import Count, Text, decode
from strategy.slurm import slurm_workers

EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
LABEL = "[A-Za-z0-9_-]{1,63}"
HOST = re.compile(rf"{LABEL}(\.{LABEL})*\.?")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run, and which of them this process is.

    Attributes:
        addresses: "host:port" of each worker; the first is the chief.
        index: of this worker among them.
    """

    addresses: tuple[str, ...]
    index: int

    def __post_init__(self):
        """Checks that the addresses are ones, and each another.

        Raises:
            ConfigError: names the address that is wrong.
        """
        for address in self.addresses:
            host, _, port = address.rpartition(":")
            number = int(port) if port.isascii() and port.isdigit() else 0
            if not _is_host(host) or not 0 < number < 2**16:
                raise ConfigError(
                    "A worker's address must be host:port, of IPv6 [host]:port; "
                    f"received {address!r}."
                )
            if self.addresses.count(address) > 1:
                raise ConfigError(
                    "Each worker must have an address of its own; received "
                    f"{address!r} twice."
                )


@dataclasses.dataclass(frozen=True)
class _Task:
    type: str
    index: Count


@dataclasses.dataclass(frozen=True)
class _TFConfig:
    """TF_CONFIG, as far as it is read: operators add entries of their own."""

    cluster: dict[str, list[Text]] = dataclasses.field(default_factory=dict)
    task: _Task | None = None


def find_cluster(choice, environ):
    """Finds the workers that the environment describes.

    Args:
        choice: `runtime.cluster`: "auto", "none", "tf_config" or "slurm". "auto" takes
            TF_CONFIG where it names a cluster, else Slurm where the process is one of
            several tasks of a job step.
        environ: the environment variables, a dict.

    Returns:
        A `Cluster` of two workers or more; None for a run on this machine alone.

    Raises:
        ConfigError: the description is wrong, or the one that was chosen is not there.
    """
    if choice == "none":
        return None
    cluster = None
    if choice in ("auto", "tf_config"):
        cluster = _from_tf_config(environ.get("TF_CONFIG", ""))
    if cluster is None and choice in ("auto", "slurm"):
        workers = slurm_workers(environ)
        cluster = Cluster(*workers) if workers else None
    if cluster is None and choice != "auto":
        raise ConfigError(
            f"runtime.cluster={choice} needs "
            + (
                f"TF_CONFIG to name a cluster, such as {EXAMPLE}"
                if choice == "tf_config"
                else "a process that srun started: SLURM_PROCID, SLURM_STEP_NODELIST "
                "and SLURM_STEP_TASKS_PER_NODE"
            )
            + "; the environment has none."
        )
    return cluster if cluster and len(cluster.addresses) > 1 else None


def count_workers(choice, environ=os.environ):
    """How many workers the environment describes; see `find_cluster`."""
    cluster = find_cluster(choice, environ)
    return len(cluster.addresses) if cluster else 1


def _is_host(text):
    """Whether a name may be one of a host; an address of IPv6 stands in brackets."""
    if not text.startswith("["):
        return len(text) < 254 and HOST.fullmatch(text) is not None
    try:
        return text.endswith("]") and bool(ipaddress.IPv6Address(text[1:-1]))
    except ValueError:
        return False


def _from_tf_config(text):
    if not text:
        return None
    try:
        config = decode(text.encode(), _TFConfig)
    except ValueError as error:
        raise ConfigError(
            f"TF_CONFIG must be JSON such as {EXAMPLE}; received {text!r}: {error}."
        ) from None
    if not config.cluster:
        return None
    jobs = config.cluster
    if jobs.keys() - {"chief", "worker"}:
        raise ConfigError(
            "TF_CONFIG must have workers, and one chief at most: all of them train; "
            f"received the jobs {', '.join(sorted(jobs))}."
        )
    chiefs = jobs.get("chief", [])
    task = config.task
    if len(chiefs) > 1 or task is None or task.index >= len(jobs.get(task.type, [])):
        raise ConfigError(
            "TF_CONFIG must have a task that is one of its cluster's, and one chief at "
            f"most; received {text!r}."
        )
    first = 0 if task.type == "chief" else len(chiefs)
    return Cluster((*chiefs, *jobs.get("worker", [])), first + task.index)
