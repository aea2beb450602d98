"""Starts runs, and keeps one of each variant that nothing happened to."""

import functools
import itertools
import json
import os
import subprocess
import sys

import pytest

from tests.chaos.runs import FLAGS, STEPS, VARIANTS, Run, rows


@pytest.fixture(scope="session")
def start(repository, tiny_root, tmp_path_factory):
    """Starts runs; `start(workdir, faults=[…], sabotage=…, flags=[…])`."""
    server = subprocess.Popen(
        [sys.executable, "tests/chaos/server.py"],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    logs = tmp_path_factory.mktemp("logs")
    numbers = itertools.count()

    def start(workdir, faults=(), sabotage=None, flags=(), environ=None):
        log = str(logs / f"{next(numbers)}.log")
        arguments = [*FLAGS, f"--data.root={tiny_root}", f"--workdir={workdir}", *flags]
        request = dict(arguments=arguments, log=log, faults=faults, sabotage=sabotage)
        request["environ"] = environ or {}
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        return Run(int(server.stdout.readline()), log)

    yield start
    server.stdin.close()
    server.wait(30)


@pytest.fixture(scope="session")
def reference(start, tmp_path_factory):
    """Variant -> the folder of a run of it that nothing happened to."""

    @functools.cache
    def reference(variant):
        workdir = tmp_path_factory.mktemp(variant)
        run = start(workdir, **VARIANTS[variant])
        assert run.wait() == 0, run.output()[-3000:]
        assert rows(workdir) == STEPS
        return workdir

    return reference


@pytest.fixture(scope="session")
def undisturbed(reference):
    """The folder of a run that nothing happened to."""
    return reference("float32")
