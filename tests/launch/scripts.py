"""Programs that stand for train.py, ssh, srun and scontrol, and how to start them."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

LAUNCH = Path(__file__).resolve().parents[2] / "launch"

# Stands for train.py: worker i does what its argument i says. It shows what it was
# given, and leaves a file for each thing that a test waits for.
PROGRAM = """
import json, os, pathlib, signal, sys, time

index = os.environ.get("SLURM_PROCID")
if index is None:
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
index = int(index)

def wait_for(*names):
    while not all(map(os.path.exists, names)):
        time.sleep(0.01)

def leave(number, _):
    name = signal.Signals(number).name
    pathlib.Path(f"{name}.{index}").touch()
    os.write(1, f"got {name}\\n".encode())  # print may be at work
    os._exit(75)

what = sys.argv[1 + index]
names = "TF_CONFIG", "CUDA_VISIBLE_DEVICES", "NCCL_DEBUG"
given = {name: os.environ.get(name) for name in names}
print(json.dumps({**given, "cwd": os.getcwd(), "arguments": sys.argv[1:]}), flush=True)
print("a warning", file=sys.stderr, flush=True)
if what in ("stay", "deaf"):
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"):
        signal.signal(getattr(signal, name), leave)
    if what == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pathlib.Path(f"ready.{index}").touch()
    while True:
        signal.pause()
if what == "save":
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # It may come while this one ends.
    pathlib.Path(f"ready.{index}").touch()
    wait_for("go")
    print("saved", flush=True)
    pathlib.Path(f"saved.{index}").touch()
    sys.exit(75)
others = [i for i, each in enumerate(sys.argv[1:]) if each in ("stay", "deaf", "save")]
wait_for(*(f"ready.{i}" for i in others))
if what == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(int(what))
"""

# Stands for ssh: the command runs elsewhere, with an environment of its own and with
# a pipe that ends when this process does.
SSH = """
import os, pathlib, subprocess, sys, threading

host, command = sys.argv[-2:]
pathlib.Path(f"ssh.{host}").write_text(f"{os.getpid()} {' '.join(sys.argv[1:-2])}")
if host == "down":
    sys.exit(255)
if host == "frozen":
    pathlib.Path("ready.1").touch()
    threading.Event().wait()
environ = {"PATH": os.environ["PATH"]}
there = subprocess.Popen(
    ["sh", "-c", command], env=environ, cwd="/", stdin=subprocess.PIPE
)

def copy():
    while line := os.read(0, 100):
        os.write(there.stdin.fileno(), line)
    there.stdin.close()

threading.Thread(target=copy, daemon=True).start()
code = there.wait()
os._exit(code if code >= 0 else 255)
"""

# Stands for srun with two tasks, and returns what Slurm 25.05 returns (its
# src/srun/launch.c): the largest exit code; 128 + n if a task died by signal n.
# SRUN_FAILS is what it returns where it starts nothing.
SRUN = """
import json, os, pathlib, subprocess, sys

pathlib.Path("srun.json").write_text(json.dumps(sys.argv[1:]))
if "SRUN_FAILS" in os.environ:
    sys.exit(int(os.environ["SRUN_FAILS"]))
start = next(i for i, each in enumerate(sys.argv) if i and not each.startswith("-"))
tasks = [
    subprocess.Popen(sys.argv[start:], env={**os.environ, "SLURM_PROCID": str(i)})
    for i in range(2)
]
codes = [task.wait() for task in tasks]
sys.exit(128 - min(codes) if min(codes) < 0 else max(codes))
"""

SCONTROL = """
import pathlib, sys
pathlib.Path("scontrol").write_text(" ".join(sys.argv[1:]))
"""


def install(folder):
    """Puts train.py, launch/ and a folder `bin` with the rest into a folder."""
    (folder / "train.py").write_text(PROGRAM)
    (folder / "launch").symlink_to(LAUNCH)
    (folder / "bin").mkdir()
    for name, text in {"ssh": SSH, "srun": SRUN, "scontrol": SCONTROL}.items():
        path = folder / "bin" / name
        path.write_text(f"#!{sys.executable}\n{text}")
        path.chmod(0o755)


def until(condition):
    """Waits until something is true; after a minute it never will be."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError(condition)


class Launched:
    """A script of launch/ that runs in a folder."""

    def __init__(self, folder, script, *arguments, environ=(), **settings):
        self.folder = folder
        self.process = subprocess.Popen(
            ["bash", script if "/" in script else f"launch/{script}", *arguments],
            cwd=folder,
            env={
                "PATH": f"{folder}/bin:{os.environ['PATH']}",
                "PYTHON": sys.executable,
                **dict(environ),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **settings,
        )

    def wait_for(self, *names):
        """Waits until files of these names are there."""
        for name in names:
            until((self.folder / name).exists)

    def end(self):
        """The exit code, standard output and standard error."""
        out, err = self.process.communicate()
        return self.process.returncode, out, err


def given(out):
    """What each worker was given, in the order of their numbers or hosts."""
    lines = [line.split(" ", 1) for line in out.splitlines() if " {" in line]
    return {name.strip("[]"): json.loads(text) for name, text in lines}
