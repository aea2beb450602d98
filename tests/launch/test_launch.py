"""The scripts of launch/, with programs that stand for train.py, ssh and Slurm."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from configs.command.errors import RunError
from configs.schema import Runtime
from launch.workers import PORTS, free_ports
from strategy import departures
from tests.launch.scripts import LAUNCH, Launched, given, install, until

SCRIPTS = sorted(path.name for path in LAUNCH.glob("*.sh"))
FAULTS = {error.exit_code for error in RunError.__subclasses__()} - {75}


@pytest.fixture
def start(tmp_path):
    """Starts a script of launch/ in a folder; the end of the test ends it."""
    install(tmp_path)
    started = []

    def start(*arguments, **settings):
        started.append(Launched(tmp_path, *arguments, **settings))
        return started[-1]

    yield start
    for launched in started:
        launched.process.kill()
        launched.process.wait()


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_sound(script):
    path = LAUNCH / script
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", path], check=True)
    shellcheck = shutil.which("shellcheck", path=os.path.dirname(sys.executable))
    found = subprocess.run([shellcheck, path], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_local_workers_are_one_cluster_and_show_who_writes(start):
    code, out, err = start("local.sh", "3", "--", "train.py", "0", "0", "0").end()
    assert code == 0
    configs = [json.loads(each["TF_CONFIG"]) for each in given(out).values()]
    workers = configs[0]["cluster"]["worker"]
    assert len(set(workers)) == 3
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+", worker) for worker in workers)
    assert all(config["cluster"] == {"worker": workers} for config in configs)
    tasks = {
        name: json.loads(each["TF_CONFIG"])["task"] for name, each in given(out).items()
    }
    assert tasks == {str(i): {"type": "worker", "index": i} for i in range(3)}
    assert sorted(err.splitlines()) == [f"[{i}] a warning" for i in range(3)]


def test_ports_are_free_and_others_at_each_call():
    first, second = free_ports(2), free_ports(2)
    assert len({*first, *second}) == 4
    following = PORTS[(second[-1] + 1 - PORTS.start) % len(PORTS)]
    with contextlib.suppress(OSError), socket.create_server(("", following)):
        assert following not in free_ports(1)


def test_local_workers_run_in_the_environment_of_the_checkout(start, tmp_path):
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    arguments = ("local.sh", "1", "--", "train.py", "0")
    for python, expected in ((".venv/bin/python", 0), ("", 0), ("missing", 127)):
        assert start(*arguments, environ={"PYTHON": python}).end()[0] == expected


def test_local_workers_get_gpus_of_their_own_or_none(start):
    command = ("local.sh", "2", "--", "train.py", "0", "0")
    seen = [
        [each["CUDA_VISIBLE_DEVICES"] for _, each in sorted(given(out).items())]
        for environ in ({"CUDA_VISIBLE_DEVICES": "5"}, {"GPUS_PER_WORKER": "2"})
        for _, out, _ in [start(*command, environ=environ).end()]
    ]
    assert seen == [["-1", "-1"], ["0,1", "2,3"]]


@pytest.mark.parametrize("what, code", [("3", 3), ("kill", 137), ("1", 1)])
def test_when_a_worker_fails_the_others_are_stopped_and_its_code_is_returned(
    start, what, code
):
    launched = start("local.sh", "3", "--", "train.py", "stay", what, "stay")
    returned, out, err = launched.end()
    assert returned == code
    assert {"[0] got SIGTERM", "[2] got SIGTERM"} <= set(out.splitlines())
    assert f"launch: worker 1 ended with exit code {code}\n" in err


@pytest.mark.parametrize("what", ["75", "130", "0"])
def test_a_worker_that_leaves_in_good_order_has_no_other_disturbed(
    start, what, tmp_path
):
    launched = start("local.sh", "2", "--", "train.py", "save", what)
    if what != "0":  # Nothing tells when an end with 0 has been seen.
        while "ended with exit code" not in (
            line := launched.process.stderr.readline()
        ):
            assert line
    (tmp_path / "go").touch()
    code, out, _ = launched.end()
    assert code == (int(what) or 75)
    assert "[0] saved" in out.splitlines()
    assert "SIGTERM" not in out


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
def test_signals_reach_every_worker(start, name):
    launched = start("local.sh", "2", "--", "train.py", "stay", "stay")
    launched.wait_for("ready.0", "ready.1")
    launched.process.send_signal(signal.Signals[name])
    code, out, _ = launched.end()
    assert code == 75
    assert {f"[0] got {name}", f"[1] got {name}"} <= set(out.splitlines())


def test_a_signal_that_is_ignored_from_the_start_is_not_passed_on(start):
    launched = start(
        "local.sh",
        *("1", "--", "train.py", "stay"),
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    launched.wait_for("ready.0")
    launched.process.send_signal(signal.SIGHUP)
    launched.process.send_signal(signal.SIGTERM)
    _, out, _ = launched.end()
    assert "SIGTERM" in out and "SIGHUP" not in out


def test_no_worker_is_left_behind_when_the_script_is_killed(start):
    launched = start("local.sh", "2", "--", "train.py", "stay", "stay")
    launched.wait_for("ready.0", "ready.1")
    launched.process.kill()
    launched.wait_for("SIGTERM.0", "SIGTERM.1")


def test_a_worker_that_does_not_stop_is_killed(start):
    environ = {"STOP_SECONDS": "1"}
    arguments = ("2", "--", "train.py", "3", "deaf")
    code, _, err = start("local.sh", *arguments, environ=environ).end()
    assert code == 3
    assert "still running after 1 seconds: 1; sending SIGKILL" in err


def test_workers_that_do_not_obey_a_signal_are_killed(start):
    environ = {"STOP_SECONDS": "1"}
    launched = start("local.sh", "1", "--", "train.py", "deaf", environ=environ)
    launched.wait_for("ready.0")
    launched.process.send_signal(signal.SIGTERM)
    code, _, err = launched.end()
    assert code == 137
    assert "still running after 1 seconds: 0; sending SIGKILL" in err


@pytest.mark.parametrize(
    "arguments, environ",
    [
        (["local.sh"], {}),
        (["local.sh", "2", "train.py", "0"], {}),
        (["local.sh", "two", "--", "train.py"], {}),
        (["local.sh", "0", "--", "train.py"], {}),
        (["local.sh", "1", "2", "--", "train.py"], {}),
        (["local.sh", "1", "--", "train.py", "0"], {"STOP_SECONDS": "soon"}),
        (["local.sh", "1", "--", "train.py", "0"], {"GPUS_PER_WORKER": "all"}),
        (["ssh.sh", "node1", "node2"], {}),
        (["ssh.sh", "node1", "node2", "--"], {}),
        (["ssh.sh", "--", "train.py", "0"], {}),
        (["ssh.sh", "node1", "me@node1", "--", "train.py"], {}),
        (["slurm.sh"], {}),
    ],
)
def test_wrong_usage_is_one_line(start, arguments, environ):
    code, out, err = start(*arguments, environ=environ).end()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(("usage: ", "launch: "))


def test_ssh_starts_the_same_command_on_every_host(start, tmp_path):
    argument = 'it\'s $HOME; "quoted" *'
    code, out, err = start(
        "ssh.sh",
        *("node1", "me@node2", "--", "train.py", "0", "0", argument),
        environ={"NCCL_DEBUG": "INFO", "SSH_OPTIONS": "-i 'my key'", "PORT": "4000"},
    ).end()
    assert (code, sorted(err.splitlines())) == (
        0,
        ["[node1] a warning", "[node2] a warning"],
    )
    for index, host in enumerate(("node1", "node2")):
        got = given(out)[host]
        assert json.loads(got["TF_CONFIG"]) == {
            "cluster": {"worker": ["node1:4000", "node2:4000"]},
            "task": {"type": "worker", "index": index},
        }
        assert got["NCCL_DEBUG"] == "INFO"
        assert got["cwd"] == str(tmp_path)
        assert got["arguments"] == ["0", "0", argument]
    options = (tmp_path / "ssh.me@node2").read_text()
    assert "BatchMode=yes" in options and "ConnectTimeout=30" in options
    assert "-i my key --" in options


def test_ssh_stops_the_others_and_returns_the_code(start):
    code, out, _ = start(
        "ssh.sh", "node1", "node2", "--", "train.py", "stay", "5"
    ).end()
    assert code == 5
    assert "[node1] got SIGTERM" in out.splitlines()


def test_ssh_passes_signals_on(start):
    launched = start("ssh.sh", "node1", "node2", "--", "train.py", "stay", "stay")
    launched.wait_for("ready.0", "ready.1")
    launched.process.send_signal(signal.SIGINT)
    code, out, _ = launched.end()
    assert code == 75
    assert {"[node1] got SIGINT", "[node2] got SIGINT"} <= set(out.splitlines())


def test_a_lost_connection_stops_the_worker_at_its_end_and_the_others(start, tmp_path):
    launched = start("ssh.sh", "node1", "node2", "--", "train.py", "stay", "stay")
    launched.wait_for("ready.0", "ready.1")
    os.kill(int((tmp_path / "ssh.node1").read_text().split()[0]), signal.SIGKILL)
    assert launched.end()[0] == 137
    launched.wait_for("SIGTERM.0", "SIGTERM.1")


def test_a_host_that_cannot_be_reached_ends_the_run(start):
    code, _, err = start("ssh.sh", "node1", "down", "--", "train.py", "stay").end()
    assert code == 255
    assert "worker down ended with exit code 255 (ssh: no connection" in err


def test_a_host_that_no_longer_answers_does_not_hold_up_the_end(start):
    arguments = ("node1", "frozen", "--", "train.py", "3", "stay")
    code, _, err = start("ssh.sh", *arguments, environ={"STOP_SECONDS": "1"}).end()
    assert code == 3
    assert err.count("still running after 1 seconds: frozen; sending SIGKILL") >= 2


def test_workers_go_on_where_nobody_reads_what_they_write(start):
    launched = start("local.sh", "2", "--", "train.py", "save", "stay")
    launched.process.stdout.close()
    launched.process.stderr.close()
    launched.wait_for("ready.0", "ready.1")
    (launched.folder / "go").touch()
    launched.wait_for("saved.0")
    launched.process.send_signal(signal.SIGUSR1)
    assert launched.process.wait() == 75


SLURM = {
    "SLURM_JOB_ID": "17",
    "SLURM_JOB_NODELIST": "node[1-2]",
    "SLURM_CPUS_PER_TASK": "9",
    "SLURM_RESTART_COUNT": "2",
}


def submit(start, folder, *tasks, **environ):
    """Runs launch/slurm.sh as sbatch does: a copy of it, in a folder of its own.

    Returns:
        Its exit code, and what it asked scontrol for, or None.
    """
    order = folder / "scontrol"
    order.unlink(missing_ok=True)
    (folder / "spool").mkdir(exist_ok=True)
    shutil.copy(LAUNCH / "slurm.sh", folder / "spool" / "slurm_script")
    environ = {**SLURM, "SLURM_SUBMIT_DIR": str(folder), **environ}
    code, out, _ = start(
        "spool/slurm_script", "train.py", *tasks, environ=environ
    ).end()
    assert len(out.splitlines()) == 2 or "SRUN_FAILS" in environ
    return code, order.read_text() if order.exists() else None


@pytest.mark.parametrize(
    "tasks, code",
    [
        (("0", "0"), 0),
        (("75", "75"), 75),
        (("kill", "75"), 75),  # A lost worker, and one that lost it.
        (("kill", "kill"), 137),  # Of all, as by an upgrade of the nodes.
        (("130", "130"), 130),
        (("1", "75"), 1),
        *((("75", str(fault)), fault) for fault in sorted(FAULTS)),
    ],
)
def test_slurm_queues_a_run_again_after_75_or_a_death(start, tmp_path, tasks, code):
    order = "requeue 17" if code in (75, 137) else None
    assert submit(start, tmp_path, *tasks) == (code, order)


@pytest.mark.parametrize("code", [1, 127, 137, 253])
def test_what_slurm_itself_returns_stays_as_it_is(start, tmp_path, code):
    order = "requeue 17" if code == 137 else None  # It killed one that hung.
    assert submit(start, tmp_path, SRUN_FAILS=str(code)) == (code, order)


def test_slurm_starts_one_task_a_node_and_lets_the_others_finish(start, tmp_path):
    submit(start, tmp_path, "0", "0")
    arguments = json.loads((tmp_path / "srun.json").read_text())
    assert {"--kill-on-bad-exit=0", "--mpi=none", "--cpus-per-task=9"} <= set(arguments)
    (wait,) = (each[7:] for each in arguments if each.startswith("--wait="))
    assert int(wait) > max(60 * Runtime().join_minutes, departures.GRACE)
    assert arguments[-4:] == ["--", "train.py", "0", "0"]
    options = re.findall(r"^#SBATCH (\S+)$", (LAUNCH / "slurm.sh").read_text(), re.M)
    assert {"--ntasks-per-node=1", "--requeue", "--signal=USR1@600"} <= set(options)


def test_slurm_gives_up_a_run_that_was_queued_too_often(start, tmp_path):
    assert submit(start, tmp_path, "75", "75", MAX_RESTARTS="2") == (75, None)


@pytest.mark.parametrize("flag", [["--workdir=a run"], ["--workdir", "a run"]])
def test_slurm_gives_up_a_run_that_saves_nothing_any_more(start, tmp_path, flag):
    """Three restarts without a checkpoint are too many, whenever they come."""
    again, enough = (75, "requeue 17"), (75, None)
    ends = [submit(start, tmp_path, "75", "75", *flag) for _ in range(3)]
    for step in (8, 10):
        (tmp_path / f"a run/checkpoints/step-{step:08}").mkdir(parents=True)
        ends += [submit(start, tmp_path, "75", "75", *flag) for _ in range(3)]
    ends.append(submit(start, tmp_path, "75", "75", *flag))
    assert ends == [again] * 9 + [enough]


def test_slurm_finds_a_run_below_the_home_folder(start, tmp_path):
    (tmp_path / "run/checkpoints/step-00000008").mkdir(parents=True)
    arguments = ("75", "75", "--workdir=~/run")
    assert submit(start, tmp_path, *arguments, HOME=str(tmp_path)) == (75, "requeue 17")
    notes = (tmp_path / "slurm-17.checkpoints").read_text()
    assert notes == f"{tmp_path}/run/checkpoints/step-00000008\n"


def test_a_signal_to_the_task_alone_reaches_the_program(start, tmp_path):
    task = subprocess.Popen(
        [sys.executable, "launch/workers.py", "task", "--", "train.py", "stay"],
        cwd=tmp_path,
        env={**os.environ, "SLURM_PROCID": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until((tmp_path / "ready.0").exists)
    task.send_signal(signal.SIGUSR1)
    assert task.wait() == 75
    assert (tmp_path / "SIGUSR1.0").exists()
