"""Starts the workers of a run, passes signals on to them, and ends them together.

    python launch/workers.py local COUNT -- train.py …    (launch/local.sh)
    python launch/workers.py ssh HOST… -- train.py …      (launch/ssh.sh)
    python launch/workers.py one -- train.py …            (on each host, by the above)
    python launch/workers.py task -- train.py …           (on each node, by Slurm)

A worker is told what to do through its standard input: the name of a signal is sent to
the program, and the end of the input is SIGTERM. So a signal crosses ssh without a
terminal, and no program is left behind where whoever started it is gone.
"""

import contextlib
import itertools
import json
import os
import queue
import shlex
import signal
import socket
import subprocess
import sys
import threading

# What a user or a scheduler sends to end a run. Those that this process was started to
# ignore (SIGHUP under nohup) stay ignored, here and in the workers.
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1]
RETRY, INTERRUPTED = 75, 130
# Settings of TensorFlow and NCCL that reach the other hosts.
CARRIED = ("NCCL_", "TF_", "XLA_", "CUDA_VISIBLE_DEVICES")
# Below those that the system gives out by itself; each process begins elsewhere.
PORTS = range(20_000, 30_000)
BEGIN = 101 * os.getpid() % len(PORTS)
CANDIDATES = itertools.cycle([*PORTS[BEGIN:], *PORTS[:BEGIN]])


class UsageError(Exception):
    """The command cannot be run as it is; one line says why."""


def forward_signals(put):
    """Has `put` called with the number of each signal of SIGNALS that arrives."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _: put(number))


def shell_code(code):
    """The exit code that a shell would report: 128 + n after a death by signal n."""
    return 128 - code if code < 0 else code


def task_code(code):
    """What `srun` is to be told, which returns the largest code of its tasks.

    A fault of one worker must outweigh 75 of those that only lost it, and 75 the death
    of the lost one by a signal: 40 + n after a death by signal n, 0 and 75 as they are,
    else 100 more. launch/slurm.sh takes it apart again.
    """
    if code < 0:
        return 40 + min(-code, 31)
    return code if code in (0, RETRY) else min(100 + code, 255)


def run_one(command, orders=None):
    """Runs a program and sends it the signals that come from outside.

    Args:
        command: the program and its arguments.
        orders: a file with the name of a signal on each line, whose end is SIGTERM.

    Returns:
        Its exit code; -n after its death by signal n.
    """
    signals = queue.SimpleQueue()
    forward_signals(signals.put)
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def obey():
        for line in orders:
            signals.put(signal.Signals[f"SIG{line.strip()}"])
        signals.put(signal.SIGTERM)

    def send():
        while True:
            program.send_signal(signals.get())

    for task in [send] + [obey] * (orders is not None):
        threading.Thread(target=task, daemon=True).start()
    return program.wait()


class Worker:
    """One `workers.py one`, here or at the other end of ssh; its lines get its name."""

    def __init__(self, name, command, environ=None):
        self.name = name
        # In a session of its own: Ctrl-C reaches this process, which passes it on.
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen(
            command, env=environ, start_new_session=True, **pipes
        )
        pairs = [(self.process.stdout, sys.stdout), (self.process.stderr, sys.stderr)]
        self.pumps = [
            threading.Thread(target=self._pump, args=pair, daemon=True)
            for pair in pairs
        ]
        for pump in self.pumps:
            pump.start()

    def order(self, name):
        """Has the signal of that name, without SIG, sent to the program."""
        with contextlib.suppress(OSError):  # It may just have ended.
            self.process.stdin.write(f"{name}\n".encode())
            self.process.stdin.flush()

    def wait(self):
        """The exit code, once it has ended and all that it wrote has been shown."""
        code = self.process.wait()
        for pump in self.pumps:
            pump.join(timeout=10)  # A process that it left behind may hold them open.
        return shell_code(code)

    def _pump(self, source, target):
        prefix = f"[{self.name}] ".encode()
        for line in source:
            # Where nobody reads, or it is closed, the worker must not be held up.
            with contextlib.suppress(OSError, AttributeError):
                target.buffer.write(prefix + line.removesuffix(b"\n") + b"\n")
                target.buffer.flush()


class Crew:
    """All workers of a run, from their start to the end of the last.

    When one has failed the others get SIGTERM. Where it stopped in good order, or after
    a signal that was passed on to all, they are leaving by themselves: a second signal
    would cut short what they are saving. Those that have not left `patience` seconds
    after any of these are killed.
    """

    def __init__(self, patience):
        self.patience = patience
        self.events = queue.SimpleQueue()
        self.running = []
        self.first = 0
        self.signalled = False
        self.kills = 0

    def run(self, start):
        """Starts the workers and waits for the end of the last.

        Args:
            start: starts the workers and returns them.

        Returns:
            0 if all have ended with 0, else the exit code of the first that did not.
        """
        forward_signals(self.events.put)
        self.running = start()
        for worker in self.running:
            threading.Thread(target=self._watch, args=[worker], daemon=True).start()
        while self.running:
            try:
                ends = self.first or self.signalled
                event = self.events.get(timeout=self.patience if ends else None)
            except queue.Empty:
                self._kill()
                continue
            if isinstance(event, int):
                self.signalled = True
                self._order(signal.Signals(event).name.removeprefix("SIG"))
            else:
                self._ended(*event)
        return self.first

    def _watch(self, worker):
        self.events.put((worker, worker.wait()))

    def _order(self, name):
        for worker in self.running:
            worker.order(name)

    def _ended(self, worker, code):
        self.running.remove(worker)
        if self.first or not code:
            return  # The chief may still be writing the report.
        self.first = code
        lost = " (ssh: no connection, or it was lost)" if code == 255 else ""
        say(f"worker {worker.name} ended with exit code {code}{lost}")
        if self.running:
            say(f"the others get {self.patience} seconds to stop")
        if not self.signalled and code not in (RETRY, INTERRUPTED):
            self._order("TERM")

    def _kill(self):
        names = ", ".join(worker.name for worker in self.running)
        say(f"still running after {self.patience} seconds: {names}; sending SIGKILL")
        self._order("KILL")
        if self.kills:  # The hosts do not answer.
            for worker in self.running:
                worker.process.kill()
        self.kills += 1


def say(text):
    """Shows a line of this program's own, if anybody reads."""
    with contextlib.suppress(OSError):
        print(f"launch: {text}", file=sys.stderr, flush=True)


def tf_config(addresses, index):
    """TF_CONFIG of the worker at that index of `host:port` addresses."""
    cluster = {"worker": addresses}
    return json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})


def free_ports(count):
    """Ports on which nobody listens, others at each call.

    Nothing holds them until they are used; another process could still take one.
    """
    ports = []
    while len(ports) < count:
        port = next(CANDIDATES)
        with contextlib.suppress(OSError), socket.create_server(("", port)):
            ports.append(port)
    return ports


def whole_number(text, name, at_least):
    """Reads what a setting says.

    Raises:
        UsageError: it is no whole number, or too small a one.
    """
    if not text.isdecimal() or int(text) < at_least:
        raise UsageError(
            f"{name} must be a whole number from {at_least} on, not {text!r}"
        )
    return int(text)


def start_local(arguments, program, environ):
    """Starts COUNT workers on this machine.

    GPUS_PER_WORKER=k gives worker i the GPUs i * k to i * k + k - 1; without it they
    see none, since each would take the memory of all of them.
    """
    if len(arguments) != 1:
        raise UsageError("local needs the number of workers before --")
    count = whole_number(arguments[0], "the number of workers", 1)
    gpus = whole_number(environ.get("GPUS_PER_WORKER", "0"), "GPUS_PER_WORKER", 0)
    if not gpus and os.path.exists("/dev/nvidia0"):
        say("the workers get no GPU; GPUS_PER_WORKER=1 gives each of them one")
    addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
    workers = []
    for index in range(count):
        mine = range(index * gpus, (index + 1) * gpus)
        own = {
            "CUDA_VISIBLE_DEVICES": ",".join(map(str, mine)) or "-1",
            "TF_CONFIG": tf_config(addresses, index),
        }
        command = [sys.executable, __file__, "one", "--", *program]
        workers.append(Worker(str(index), command, {**environ, **own}))
    return workers


def start_ssh(arguments, program, environ):
    """Starts a worker on each HOST or USER@HOST; the first is the chief.

    PORT, DIRECTORY, PYTHON and SSH_OPTIONS stand in launch/ssh.sh.
    """
    hosts = [argument.rpartition("@")[2] for argument in arguments]
    if not hosts or len(set(hosts)) < len(hosts):
        raise UsageError("ssh needs hosts before --, each of them once")
    addresses = [f"{host}:{environ['PORT']}" for host in hosts]
    carried = {k: v for k, v in environ.items() if k.startswith(CARRIED)}
    directory = shlex.quote(environ["DIRECTORY"])
    ssh = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30"]
    ssh += ["-o", "ServerAliveInterval=15", *shlex.split(environ["SSH_OPTIONS"])]
    one = [environ["PYTHON"], "launch/workers.py", "one", "--", *program]
    workers = []
    for index, target in enumerate(arguments):
        own = carried | {"TF_CONFIG": tf_config(addresses, index)}
        settings = [f"{name}={value}" for name, value in own.items()]
        command = f"cd {directory} && exec {shlex.join(['env', *settings, *one])}"
        workers.append(Worker(hosts[index], [*ssh, "--", target, command]))
    return workers


def main(arguments, environ):
    """Does what the module's docstring says; returns the exit code.

    Args:
        arguments: of the command line.
        environ: the environment variables, a dict.
    """
    how, *rest = arguments or [""]
    before = rest[: rest.index("--")] if "--" in rest else rest
    program = rest[len(before) + 1 :]
    starts = {"local": start_local, "ssh": start_ssh}
    try:
        if not program or how not in {*starts, "one", "task"}:
            raise UsageError("what to run is missing: -- train.py and its flags")
        if how == "one":
            return shell_code(run_one([sys.executable, *program], sys.stdin))
        if how == "task":
            return task_code(run_one([sys.executable, *program]))
        patience = whole_number(environ.get("STOP_SECONDS", "600"), "STOP_SECONDS", 1)
        return Crew(patience).run(lambda: starts[how](before, program, environ))
    except (UsageError, OSError) as error:
        say(str(error))
        return 2


if __name__ == "__main__":
    # A thread may wait for input that never comes.
    os._exit(main(sys.argv[1:], dict(os.environ)))
