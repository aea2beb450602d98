"""Local worker processes of a cluster on the loopback interface."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.scaling.task import Timing
from configs.command.errors import RunError
from configs.command.text import first_line
from launch.workers import free_ports, tf_config
from storage.records import decode

REPOSITORY = Path(__file__).resolve().parents[2]
MINUTES = 10  # after which workers are given up


def measure(task, count):
    """What so many local workers measure.

    Args:
        task: a `Task`.
        count: of workers, a process each.

    Returns:
        `Timing`.

    Raises:
        RunError: one fails, or they take too long; none is left behind.
    """
    addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
    argument = json.dumps(vars(task))
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(count)]
        processes = []
        stack.callback(end, processes)
        for index in range(count):
            processes.append(start(argument, addresses, index, logs[index]))
        wait(processes, logs)
        return decode(processes[0].stdout.read(), Timing)


def start(argument, addresses, index, log):
    """Starts one worker, on CPU."""
    quiet = {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.scaling.worker", argument],
        cwd=REPOSITORY,
        env={**os.environ, **quiet, "TF_CONFIG": tf_config(addresses, index)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
    )


def wait(processes, logs):
    """Returns when all have ended well; raises RunError where one fails or is late."""
    deadline = time.monotonic() + 60 * MINUTES
    while any(process.poll() is None for process in processes):
        if any(process.poll() for process in processes):
            break  # The others may wait for it for ever.
        if time.monotonic() > deadline:
            raise RunError(
                f"{len(processes)} workers must end within {MINUTES} minutes; some "
                "have not. Lower --repeats, or take a smaller model."
            )
        time.sleep(0.1)
    for index, (process, log) in enumerate(zip(processes, logs, strict=True)):
        if process.poll():
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines()
            reason = first_line(lines[-1]) if lines else "it said nothing"
            raise RunError(
                f"Worker {index} of {len(processes)} ended with code "
                f"{process.returncode}: {reason}."
            )


def end(processes):
    """Ends those that still run, and closes what they wrote to."""
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()
