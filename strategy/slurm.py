"""The tasks of a Slurm job step as workers, from the environment that srun gives.

TensorFlow's SlurmClusterResolver is not used. It sorts the hosts by name, which parts
ranks from addresses where Slurm orders them otherwise (n9, n10), asks nvidia-smi, which
machines without GPUs lack, numbers the GPUs of the node where Slurm shows each task its
own, and gives every job on a node the same port.
"""

import re

from absl import logging

from configs.command.errors import ConfigError

# Between the ports that need privileges and those that systems give out by themselves.
FIRST_PORT, PORTS = 12000, 20000
# Of each step of a job. The jobs of successive numbers lie PORTS over the golden ratio
# apart, so that the ports of any hundred of them are far from one another.
TASK_PORTS, JOB_PORTS = 16, 12361
NEEDED = ("PROCID", "STEP_NODELIST", "STEP_TASKS_PER_NODE", "JOB_ID")
TASKS = re.compile(r"([0-9]+)(?:\(x([0-9]+)\))?")
RANGES = re.compile(r"\[([0-9]+(?:-[0-9]+)?(?:,[0-9]+(?:-[0-9]+)?)*)\]")


def slurm_workers(environ):
    """Finds the addresses of all tasks of this process's job step, and its own number.

    The port follows from the numbers of job and step, so that those that share a node
    part: steps of up to `TASK_PORTS` tasks a node, in jobs less than a hundred numbers
    apart.

    Args:
        environ: the environment variables, a dict.

    Returns:
        (tuple of "host:port", index); None outside a job step.

    Raises:
        ConfigError: the variables do not belong together.
    """
    values = {name: environ.get(f"SLURM_{name}") for name in NEEDED}
    if None in values.values():
        _warn_of_other_tasks(environ.get("SLURM_NTASKS", "1"))
        return None
    hosts = expand_hosts(values["STEP_NODELIST"])
    try:
        counts = expand_tasks(values["STEP_TASKS_PER_NODE"])
        places = [
            (node, local)
            for node, count in zip(range(len(hosts)), counts, strict=True)
            for local in range(count)
        ]
        rank = int(values["PROCID"])
        own = places[rank]
        said = tuple(
            int(environ.get(f"SLURM_{name}", place))
            for name, place in zip(("NODEID", "LOCALID"), own, strict=True)
        )
        number = JOB_PORTS * int(values["JOB_ID"])
        number += TASK_PORTS * int(environ.get("SLURM_STEP_ID", 0))
        port = FIRST_PORT + number % PORTS
    except (IndexError, ValueError):
        received = ", ".join(f"SLURM_{name}={v}" for name, v in values.items())
        raise ConfigError(
            f"Slurm's variables must belong together; received {received}."
        ) from None
    if said != own:
        raise ConfigError(
            "Slurm's tasks must fill one node after the other (srun "
            f"--distribution=block); task {rank} is number {said[1]} of node {said[0]}."
        )
    return tuple(f"{hosts[node]}:{port + local}" for node, local in places), rank


def _warn_of_other_tasks(tasks):
    if tasks != "1":
        logging.log_first_n(  # Before TensorFlow's import this is asked for, too.
            logging.WARNING,
            "The Slurm job has %s tasks, but this process was not started by srun: it "
            "runs alone.",
            1,
            tasks,
        )


def expand_hosts(text):
    """The hosts of a list as Slurm abbreviates it, in its order.

    Example: "a[08-10,12],b-gpu" are a08, a09, a10, a12 and b-gpu.

    Raises:
        ConfigError: the text is no such list.
    """
    hosts = [
        host
        for part in re.findall(r"(?:\[[^]]*\]|[^,])+", text)
        for host in _expand(part)
    ]
    if not hosts or any(set("[], ") & set(host) for host in hosts):
        raise ConfigError(
            f"SLURM_STEP_NODELIST must be hosts such as a[08-10,12],b; received "
            f"{text!r}."
        )
    return hosts


def _expand(part):
    match = RANGES.search(part)
    if not match:
        return [part]
    head, tails = part[: match.start()], _expand(part[match.end() :])
    return [f"{head}{n}{tail}" for n in _numbers(match[1]) for tail in tails]


def _numbers(ranges):
    for one in ranges.split(","):
        first, _, last = one.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield str(number).zfill(len(first))


def expand_tasks(text):
    """The number of tasks of each node; "2(x3),1" are 2, 2, 2 and 1.

    Raises:
        ValueError: the text is no such list.
    """
    matches = [TASKS.fullmatch(part) for part in text.split(",")]
    if None in matches:
        raise ValueError(f"{text!r} is no list of tasks")
    return [int(m[1]) for m in matches for _ in range(int(m[2] or 1))]
