"""A run that no longer moves ends, and says where it stood; a frozen one goes on."""

import functools
import os
import signal
import subprocess
import sys
import time

import pytest

from callbacks import watchdog_process

# Imports once, and runs each line of standard input in a forked child of its own, whose
# output goes to a file.
SERVER = """
import ctypes, os, signal, sys, threading, time
from pathlib import Path
from callbacks.watchdog import Watchdog

def a_step_that_hangs():
    time.sleep(60)

def a_step_that_hangs_and_holds_the_lock():
    ctypes.PyDLL(None).sleep(60)

def steps_until(path, watchdog):
    while not Path(path).exists():
        watchdog.beat()
        print("step", flush=True)
        time.sleep(0.01)

for line in sys.stdin:
    code, log = eval(line)
    process = os.fork()
    if process == 0:
        file = os.open(log, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, 1), os.dup2(file, 2)
        exec(code)
        sys.stdout.flush()
        os._exit(0)
    print(process, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def server(repository):
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=repository,
    ) as server:
        yield server
        server.stdin.close()


def _number(stream):
    return int(stream.readline())


@pytest.fixture
def start(server, tmp_path):
    """Runs code in a process; gives its id, and functions for its code and output."""

    def start(code):
        server.stdin.write(repr((code, str(tmp_path / "log"))) + "\n")
        server.stdin.flush()
        process = _number(server.stdout)
        end = functools.partial(_number, server.stdout)
        return process, end, (tmp_path / "log").read_text

    return start


def test_the_watchdog_prints_stacks_and_exits(start):
    _, end, output = start("Watchdog(0.2).beat(); a_step_that_hangs()")
    assert end() == 1
    assert "No sign of progress for 0:00:00.2" in output()
    assert "in a_step_that_hangs" in output()


def test_a_full_standard_error_does_not_keep_it(start):
    code = "os.dup2(os.open('/dev/full', os.O_WRONLY), 2)\n"
    _, end, _ = start(code + "Watchdog(0.2).beat(); a_step_that_hangs()")
    assert end() == 1


def test_a_hang_that_holds_the_interpreters_lock_is_seen(start):
    code = "Watchdog(2, grace=2).beat(); a_step_that_hangs_and_holds_the_lock()"
    _, end, output = start(code)
    assert end() == -signal.SIGALRM
    assert "in a_step_that_hangs_and_holds_the_lock" in output()


def wait_until(condition):
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def state(process):
    """The kernel's letter for what a process does; None for one that is gone."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return None


def test_a_run_that_was_frozen_has_not_stalled(start, tmp_path):
    """For longer than the watchdog waits."""
    told = str(tmp_path / "end")
    code = f"with Watchdog(8) as watchdog: steps_until({told!r}, watchdog)"
    process, end, output = start(code)
    wait_until(lambda: (tmp_path / "log").exists() and "step" in output())
    os.kill(process, signal.SIGSTOP)
    wait_until(lambda: state(process) == "T")
    time.sleep(9)
    steps = output().count("step")
    os.kill(process, signal.SIGCONT)
    wait_until(lambda: output().count("step") > steps)
    (tmp_path / "end").touch()
    assert end() == 0
    assert set(output().splitlines()) == {"step"}


@pytest.fixture
def simulated(monkeypatch):
    """Watches a process of which a script of events says what happens at each tick.

    ".": a sign of progress, " ": none, "T": none, for it is stopped. Gives what was
    done about it.
    """

    def simulated(script, seconds=4, grace=2):
        events, done = iter(script), []
        now = {}

        def select(*_):
            now["event"] = next(events, None)
            return ([0] if now["event"] in (".", None) else [], [], [])

        monkeypatch.setattr(watchdog_process.select, "select", select)
        monkeypatch.setattr(
            watchdog_process.os, "read", lambda *_: b"." if now["event"] else b""
        )
        monkeypatch.setattr(watchdog_process.os, "getppid", lambda: 7)
        monkeypatch.setattr(
            watchdog_process.os, "write", lambda *_: done.append(["told"])
        )
        monkeypatch.setattr(
            watchdog_process.os,
            "kill",
            lambda process, number: done.append([process, number]),
        )
        monkeypatch.setattr(
            watchdog_process, "is_stopped", lambda _: now["event"] == "T"
        )
        watchdog_process.watch(7, seconds, grace)
        return done

    return simulated


TOLD = ["told"]
ALARM, KILL = [7, signal.SIGALRM], [7, signal.SIGKILL]


@pytest.mark.parametrize(
    ("script", "done"),
    [
        (" " * 19, []),
        (" " * 20, [TOLD]),
        (" " * 19 + "." + " " * 19, []),
        (" " * 19 + "T" * 1000 + ".", []),
        ("T" * 1000 + " " * 20, [TOLD]),
        (" " * 29, [TOLD]),
        (" " * 30, [TOLD, ALARM]),
        (" " * 20 + "T" * 1000 + " " * 10, [TOLD, ALARM]),
        (" " * 40, [TOLD, ALARM, KILL]),
        (" " * 400, [TOLD, ALARM, KILL]),
    ],
)
def test_only_ticks_in_which_the_run_could_have_moved_count(simulated, script, done):
    """Four seconds are twenty ticks, two are ten."""
    assert simulated(script) == done


def test_a_stopped_watchdog_does_not_keep_a_run_that_ends(start):
    code = (
        "with Watchdog(60) as watchdog:\n"
        "    os.kill(watchdog._process.pid, signal.SIGSTOP)\n"
    )
    _, end, _ = start(code)
    assert end() == 0


def test_the_process_ends_with_the_one_it_watches(start):
    """Also where that one is killed."""
    code = (
        "watchdog = Watchdog(60)\n"
        "watchdog.beat()\n"
        "print(watchdog._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    _, end, output = start(code)
    assert end() == -signal.SIGKILL
    wait_until(lambda: state(int(output())) in (None, "Z"))
