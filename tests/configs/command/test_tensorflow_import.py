"""What TensorFlow prints at every start is left out, and nothing else is."""

import os
import subprocess
import sys

import pytest

from configs.command.tensorflow_import import without_notices

NOISE = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to "
    "STDERR",
    "I0000 00:00:1795910060.745762   10310 port.cc:153] oneDNN operations are on.",
    "E0000 00:00:1795910060.745762   10310 cuda_dnn.cc:8579] Unable to register cuDNN "
    "factory: Attempting to register factory for plugin cuDNN when one has already",
    "W0000 00:00:1795910060.745762   10310 computation_placer.cc:177] computation "
    "placer already registered. Please check linkage",
    "E0000 00:00:1795910064.154564   10310 cuda_platform.cc:52] failed call to cuInit: "
    "INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)",
)
KEPT = (
    "E0000 00:00:1795910064.154564   10310 cuda_platform.cc:52] failed call to cuInit: "
    "INTERNAL: CUDA error: Failed call to cuInit: CUDA_ERROR_UNKNOWN (999)",
    "F0000 00:00:1795910060.745762   10310 cpu_feature_guard.cc:9] compiled to use AVX",
    "Traceback (most recent call last):",
    "caf\udce9",
)


def written(code, repository, **environ):
    """The lines on standard error of a program of one line."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository,
        env={k: v for k, v in os.environ.items() if not k.startswith("TF_")} | environ,
        capture_output=True,
    )
    return done.stderr.decode(errors="surrogateescape").splitlines()


@pytest.mark.parametrize("end", ["", "os.abort()"])
def test_notices_are_taken_out_and_last_words_are_not_lost(repository, end):
    lines = [line for pair in zip(NOISE, (*KEPT, "last"), strict=True) for line in pair]
    text = "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")
    code = (
        "import os; from configs.command.tensorflow_import import without_notices\n"
        f"with without_notices(): os.write(2, {text!r}); {end}\n"
        f"os.write(2, {NOISE[1].encode()!r})"  # Whatever comes later is left alone.
    )
    later = [] if end else [NOISE[1]]
    assert written(code, repository) == [*KEPT, "last", *later]


def test_without_grep_everything_is_seen(capfd, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with without_notices():
        os.write(2, f"{NOISE[0]}\n".encode())
    assert capfd.readouterr().err == f"{NOISE[0]}\n"


IMPORT = """
from configs.command.tensorflow_import import import_tensorflow
import_tensorflow()
import gc, os, sys
assert gc.isenabled()
names = ("TF_CPP_MIN_LOG_LEVEL", "TF_USE_LEGACY_KERAS")
heavy = {"tensorflow", "tf_keras", "keras", "matplotlib"} & sys.modules.keys()
print(*(os.environ[name] for name in names), *sorted(heavy), file=sys.stderr)
"""
THREADS = """
from configs.command.tensorflow_import import import_tensorflow
import_tensorflow()
import os, pathlib, signal, sys
for task in pathlib.Path("/proc/self/task").iterdir():
    (blocked,) = [l for l in (task / "status").open() if l.startswith("SigBlk")]
    blocked = int(blocked.split()[1], 16) >> signal.SIGTERM - 1 & 1
    if blocked == (task.name == str(os.getpid())):
        print(task.name, blocked, file=sys.stderr)
"""


def test_tensorflow_comes_without_notices_and_without_keras_3(repository):
    assert written(IMPORT, repository) == ["2 1 tensorflow tf_keras"]


def test_threads_of_libraries_leave_sigterm_to_the_main_thread(repository):
    assert written(THREADS, repository) == []


def test_whoever_asks_for_notices_gets_them(repository):
    *notices, last = written(IMPORT, repository, TF_CPP_MIN_LOG_LEVEL="0")
    assert last == "0 1 tensorflow tf_keras"
    assert any("oneDNN" in line for line in notices)
