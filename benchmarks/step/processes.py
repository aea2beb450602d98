"""Fresh processes, in which nothing has been computed before."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.step.peer import PEERS
from benchmarks.step.task import FORMS, Task
from configs.command.errors import RunError
from configs.command.text import first_line
from configs.schema.serialization import to_json
from storage.records import decode

REPOSITORY = Path(__file__).resolve().parents[2]


def in_process(kind, experiment, *, steps, replicas=1):
    """What a fresh process measures.

    Args:
        kind: one of `FORMS`.
        experiment: an `Experiment`.
        steps: rounds.
        replicas: that one is compared with.

    Returns:
        The form of that kind.

    Raises:
        RunError: the process fails.
    """
    task = json.dumps(vars(Task(to_json(experiment), steps, replicas)))
    with started("benchmarks.step.worker", kind, task) as (process, error):
        found, _ = process.communicate()
        if process.returncode:
            raise error()
    return decode(found, FORMS[kind])


@contextlib.contextmanager
def peer_in_process(name, path, experiment):
    """Another implementation in a process of its own.

    Args:
        name: one of `PEERS`.
        path: of a checkout.
        experiment: an `Experiment`.

    Yields:
        A function that has it compute a step, and tells how many seconds that took.
    """
    worker = PEERS[name].worker
    with started(worker, str(path), to_json(experiment)) as (process, error):

        def seconds():
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(b"step\n")
                process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                process.wait()
                raise error()
            return float(line)

        yield seconds


@contextlib.contextmanager
def started(module, *arguments):
    """A process that runs a module; it is ended in the end.

    Yields:
        (the process, a function that makes the error of one that has failed).
    """
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )

        def error():
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines()
            reason = first_line(lines[-1]) if lines else "it said nothing"
            return RunError(
                f"{module} ended with code {process.returncode}: {reason}. It may have "
                "run out of memory (--clip, --batch_size, --replicas)."
            )

        try:
            yield process, error
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
