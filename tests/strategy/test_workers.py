"""Workers meet over real sockets, each in a thread of its own."""

import concurrent.futures
import contextlib
import json
import os
import socket
import threading
import time
import types
from multiprocessing.connection import Connection

import pytest
import tensorflow as tf

from configs.command.errors import (
    ConfigError,
    DataError,
    RetryError,
    WorkerError,
)
from configs.schema import Runtime
from launch.workers import free_ports
from strategy import connections, departures, lost, meeting
from strategy.workers import Workers, join_workers
from tests.strategy.local import environ, everyone, run, start

SOON = Runtime(join_minutes=1 / 60)


def test_alone_it_agrees_with_itself():
    with join_workers(Runtime(cluster="none")) as workers:
        assert (workers.index, workers.count, workers.is_chief) == (0, 1, True)
        assert workers.gather("a", 5) == [5]
        assert workers.share("b", 6) == 6
        assert workers.chief_first("c", lambda: 7) == 7
        workers.compare("d", {"x": 1})
        workers.alive()


def test_one_that_hangs_alone_does_not_say_that_the_same_command_goes_on():
    assert Workers().stall_exit_code == 1
    assert everyone(2, lambda workers: workers.stall_exit_code) == [75, 75]


@pytest.mark.parametrize("count", [2, 3])
def test_all_collect_what_each_has(count):
    def talk(workers):
        all_of_them = [workers.gather(f"round {n}", [workers.index, n]) for n in (1, 2)]
        return workers.is_chief, workers.share("word", workers.index), all_of_them

    for index, result in enumerate(everyone(count, talk)):
        expected = [[[i, n] for i in range(count)] for n in (1, 2)]
        assert result == (index == 0, 0, expected)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="there is no IPv6")
def test_addresses_of_ipv6_are_met_at():
    some = free_ports(2)
    environs = [environ(some, index, host="[::1]") for index in range(2)]
    assert run(environs, lambda workers: workers.share("word", "x")) == ["x", "x"]


@pytest.mark.parametrize("value", [float("inf"), "caf\udce9.avi"])
def test_what_strict_json_lacks_reaches_the_others(value):
    """As the name of a file that is not UTF-8 does."""
    assert everyone(2, lambda workers: workers.share("word", value)) == [value] * 2

    def fail(workers):
        if workers.is_chief:
            raise DataError(f"{value} is gone.")
        workers.share("word")

    error = everyone(2, fail)[1]
    assert error.exit_code == 3 and f"{value} is gone." in str(error)


def test_what_is_too_long_to_be_read_is_not_sent(monkeypatch):
    def talk(workers):
        return workers.gather("word", "x" * 1000 * workers.index)

    monkeypatch.setattr(connections, "LONGEST", 1000)
    errors = everyone(2, talk)
    assert isinstance(errors[1], ValueError)
    assert "must have 1000 bytes at most" in str(errors[0])
    assert errors[0].exit_code == 75


def test_what_the_chief_does_first_is_done_when_the_others_begin():
    done = []
    results = everyone(
        3,
        lambda workers: workers.chief_first(
            "list", lambda: done.append(workers.index) or len(done)
        ),
    )
    assert done[0] == 0 and results[0] == 1 and sorted(done) == [0, 1, 2]


def test_what_differs_ends_all_with_the_same_reason():
    def compare(workers):
        workers.compare("options", {"seed": 1, "epochs": 2 + workers.index // 2})

    errors = everyone(3, compare)
    assert {type(error) for error in errors} == {ConfigError}
    assert {str(error) for error in errors} == {
        "All workers must have the same options; epochs is 2 on worker 0, 3 on "
        "worker 2."
    }


@pytest.mark.parametrize("index", range(3))
def test_the_reason_of_one_reaches_all(index):
    def fail(workers):
        if workers.index == index:
            raise DataError("The videos are gone.")
        workers.gather("lists", None)

    errors = everyone(3, fail)
    assert isinstance(errors.pop(index), DataError)
    for error in errors:
        assert isinstance(error, WorkerError) and error.exit_code == 3
        assert f"worker {index} of 3" in str(error)
        assert "DataError: The videos are gone." in str(error)


def test_one_that_ends_without_a_word_ends_all():
    def leave(workers):
        if workers.index == 1:
            workers._connections.close()
            workers._connections.peers = {}
        workers.gather("lists", None)

    errors = everyone(3, leave)
    assert all(isinstance(errors[index], RetryError | WorkerError) for index in (0, 2))
    assert errors[0].exit_code == errors[2].exit_code == 75
    assert "worker 1 (127.0.0.1:" in str(errors[0])


def test_a_worker_that_hangs_leaves_when_another_has_gone(monkeypatch, capfd):
    monkeypatch.setattr(departures, "GRACE", 0.1)
    left, codes = threading.Event(), []

    def leave(code):
        codes.append(code)
        left.set()
        threading.Event().wait(1)  # The process would be gone.

    monkeypatch.setattr(departures.os, "_exit", leave)

    def hang(workers):
        if workers.index == 1:
            workers._connections.close()
            workers._connections.peers = {}
            raise RetryError("It is gone.")
        assert left.wait(120)

    everyone(2, hang)
    assert codes[0] == 75
    assert "Current thread" in capfd.readouterr().err


def test_a_chief_that_does_its_own_work_brings_it_to_an_end(monkeypatch):
    monkeypatch.setattr(departures, "GRACE", 0.01)
    codes, gone = [], threading.Event()
    monkeypatch.setattr(departures.os, "_exit", codes.append)

    def report():
        assert gone.wait(120)
        time.sleep(0.5)  # Many times the grace.
        assert not codes
        return "written"

    def work(workers):
        if workers.index == 1:
            workers._connections.close()
            workers._connections.peers = {}
            gone.set()
            raise RetryError("It is gone.")
        written.append(workers._alone(report))

    written = []
    everyone(2, work)
    assert written == ["written"]


def test_what_tensorflow_says_of_a_lost_worker_is_explained(capfd):
    def compute(workers):
        if workers.index == 1:
            raise DataError("The disk has died.")
        raise tf.errors.UnavailableError(None, None, "Collective ops is aborted by: x")

    error = everyone(2, compute)[0]
    assert isinstance(error, WorkerError) and error.exit_code == 3
    assert "The disk has died." in str(error)
    assert "Current thread" in capfd.readouterr().err


def test_a_worker_that_never_comes_is_named(monkeypatch):
    monkeypatch.setattr(connections, "ALIVE_EVERY", 0.0)
    monkeypatch.setattr(meeting, "TICK", 0.05)
    some = free_ports(3)
    errors = run([environ(some, 0), environ(some, 1)], lambda workers: None, SOON)
    assert isinstance(errors[0], RetryError) and isinstance(errors[1], WorkerError)
    for error in errors:
        assert f"worker 2 (127.0.0.1:{some[2]}) did not come" in str(error)
        assert error.exit_code == 75


def test_a_chief_that_never_comes_is_named():
    (error,) = run([environ(free_ports(2), 1)], lambda workers: None, SOON)
    assert isinstance(error, RetryError)
    assert "the chief, did not answer within" in str(error)


@pytest.mark.parametrize("index", range(2))
def test_a_port_that_is_taken_is_named(index):
    some = free_ports(2)
    with socket.create_server(("", some[index])):
        error = run([environ(some, index)], lambda workers: None, SOON)[0]
    assert isinstance(error, ConfigError)
    assert f"Port {some[index]} of worker {index} must be free" in str(error)


def share_word(workers):
    return workers.share("word", "x")


def test_a_second_that_says_it_is_the_same_worker_is_refused_and_a_run_goes_on():
    some = free_ports(3)
    chief = start(environ(some, 0), share_word)
    twins = [start(environ(some, 1), share_word) for _ in range(2)]
    done = concurrent.futures.wait(twins, return_when="FIRST_COMPLETED").done
    (refused,) = done
    assert refused.result().exit_code == 2
    assert "two say that they are worker 1" in str(refused.result())
    assert run([environ(some, 2)], share_word) == [chief.result()] == ["x"]
    (other,) = set(twins) - done
    assert other.result() == "x"


def test_one_of_another_cluster_is_refused_and_a_run_goes_on():
    """As one that an earlier launch has left behind."""
    some = free_ports(3)
    chief = start(environ(some[:2], 0), share_word)
    (error,) = run([environ([some[0], some[2]], 1)], share_word)
    assert error.exit_code == 2
    assert "must be told the same addresses" in str(error)
    assert f"worker 1 127.0.0.1:{some[0]}, 127.0.0.1:{some[2]}" in str(error)
    assert run([environ(some[:2], 1)], share_word) == [chief.result()] == ["x"]


def test_why_one_was_refused_is_said_where_no_other_comes(monkeypatch):
    some, late = free_ports(3), threading.Event()
    clock = types.SimpleNamespace(
        monotonic=lambda: time.monotonic() + (10**6 if late.is_set() else 0),
        sleep=time.sleep,
    )
    monkeypatch.setattr(meeting, "time", clock)
    chief = start(environ(some[:2], 0), share_word)
    run([environ([some[0], some[2]], 1)], share_word)
    late.set()
    assert isinstance(chief.result(), RetryError)
    assert "did not come" in str(chief.result())
    assert "One was refused: All workers must be told the same" in str(chief.result())


def visit(port):
    """A socket connected with the chief, once it listens."""
    while True:
        with contextlib.suppress(OSError):
            link = meeting._connect(("127.0.0.1", port))
            link.settimeout(None)
            return link
        time.sleep(0.01)


def is_closed(link):
    """Waits until the other side closes a connection."""
    with contextlib.suppress(ConnectionResetError):
        assert link.recv(1) == b""
    return True


@pytest.mark.parametrize("index", [0, 2, 99])
def test_a_worker_that_there_cannot_be_is_refused_and_a_run_goes_on(index):
    some = free_ports(2)
    chief = start(environ(some, 0), share_word)
    addresses = [f"127.0.0.1:{port}" for port in some]
    hello = {"project": "video-swin-finetuning", "index": index, "addresses": addresses}
    data = json.dumps(hello).encode()
    with visit(some[0]) as link:
        link.sendall(meeting.HEADER.pack(len(data)) + data)
        answer = Connection(os.dup(link.fileno())).recv_bytes()
        assert f"one says that it is worker {index}" in json.loads(answer)["error"]
    assert run([environ(some, 1)], share_word) == [chief.result()] == ["x"]


def test_one_that_does_not_say_who_it_is_holds_nobody_up():
    some = free_ports(2)
    chief = start(environ(some, 0), share_word)
    with visit(some[0]) as stranger:
        stranger.sendall(meeting.HEADER.pack(100) + b"{")  # The rest never comes.
        assert run([environ(some, 1)], share_word) == [chief.result()] == ["x"]


def test_one_that_is_slow_to_say_who_it_is_is_closed(monkeypatch, caplog):
    some = free_ports(2)
    chief = start(environ(some, 0), share_word)
    with visit(some[0]) as stranger, monkeypatch.context() as context:
        context.setattr(meeting, "READING", 0.0)
        assert is_closed(stranger)
    assert run([environ(some, 1)], share_word) == [chief.result()] == ["x"]
    assert "did not say who it is" in caplog.text


def test_of_too_many_that_do_not_say_who_they_are_the_first_are_closed(monkeypatch):
    monkeypatch.setattr(meeting, "MOST_VISITORS", 2)
    some = free_ports(2)
    chief = start(environ(some, 0), share_word)
    with contextlib.ExitStack() as stack:
        strangers = [stack.enter_context(visit(some[0])) for _ in range(3)]
        assert is_closed(strangers[0])
        assert run([environ(some, 1)], share_word) == [chief.result()] == ["x"]


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\4null", b""])
def test_what_says_something_else_is_closed(caplog, sent):
    some = free_ports(2)
    chief = start(environ(some, 0), share_word)
    with visit(some[0]) as stranger:
        stranger.sendall(sent)
        with contextlib.suppress(OSError):  # It may be closed already.
            stranger.shutdown(socket.SHUT_WR)
        assert is_closed(stranger)
    assert run([environ(some, 1)], share_word) == [chief.result()] == ["x"]
    assert "Something else than a worker connected" in caplog.text


def test_a_machine_that_died_is_noticed_although_something_is_on_the_way():
    """Where nothing is confirmed, keepalive begins only after a quarter of an hour."""

    def timeouts(workers):
        for connection in workers._connections.peers.values():
            with socket.socket(fileno=os.dup(connection.fileno())) as link:
                return link.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)

    assert everyone(2, timeouts) == [90_000, 90_000]


def test_one_at_work_is_waited_for_and_one_that_is_silent_is_not(monkeypatch):
    monkeypatch.setattr(connections, "ALIVE_EVERY", 0.0)
    monkeypatch.setattr(connections, "TICK", 0.05)
    waited, enough = [], threading.Event()

    def work(workers):
        if workers.is_chief:  # Much longer than silence is borne.
            while not enough.wait(0.01):
                workers.alive()
            return workers.share("done", 1)
        workers.meanwhile = lambda: (
            waited.append(1) or (enough.set() if len(waited) > 100 else None)
        )
        return workers.share("done")

    assert everyone(2, work, Runtime(join_minutes=1 / 600 * 10)) == [1, 1]

    stop = threading.Event()

    def silence(workers):
        if workers.is_chief:
            stop.wait()
            raise RetryError("late")
        try:
            workers.share("done")
        finally:
            stop.set()

    errors = everyone(2, silence, Runtime(join_minutes=1 / 120))
    assert "No sign of life from worker 0" in str(errors[1])


def test_one_that_waits_hears_of_a_chief_that_waits_for_another(monkeypatch):
    """Worker 2 is slow; the chief waits for it, and tells worker 1 that it lives."""
    monkeypatch.setattr(connections, "ALIVE_EVERY", 0.0)
    monkeypatch.setattr(connections, "TICK", 0.01)
    heard, rounds, waited = [], [], threading.Event()
    read = connections.Connections._read

    def _read(self, index):
        message = read(self, index)
        if self.cluster.index == 1:
            (rounds if "round" in message else heard).append(message)
        return message

    def work(workers):
        if workers.index == 2:
            assert waited.wait(120)
        ticks = []

        def meanwhile():
            ticks.append(1)
            if workers.is_chief and len(ticks) > 3:
                waited.set()

        workers.meanwhile = meanwhile
        heard.clear()
        return workers.share("done", 1)

    monkeypatch.setattr(connections.Connections, "_read", _read)
    assert everyone(3, work) == [1, 1, 1]
    assert heard


NCCL = "NCCL: unhandled system error (run with NCCL_DEBUG=INFO for details)."
STACK = """Graph execution error:

Detected at node AdamW/Mul defined at (most recent call last):
  File "/python/distribute/collective_all_reduce_strategy.py", line 1, in _run

Detected at node AdamW/Mul defined at (most recent call last):
  File "/python/distribute/mirrored_run.py", line 1, in call_for_each_replica

2 root error(s) found.
  (0) INTERNAL:  %s
     [[{{node AdamW/Mul}}]]
     [[CollectiveReduceV2/_47]] [Op:__inference_train_function_1188]"""


@pytest.mark.parametrize(
    ("kind", "text", "is_own"),
    [
        (tf.errors.InternalError, STACK % "CUDA_ERROR_ILLEGAL_ADDRESS", True),
        (tf.errors.FailedPreconditionError, "Could not find variable x.", True),
        (tf.errors.UnknownError, "JIT compilation failed.", True),
        (tf.errors.ResourceExhaustedError, "OOM when allocating.", True),
        (tf.errors.InternalError, STACK % NCCL, False),
        (tf.errors.AbortedError, "Collective ops is aborted by: x", False),
        (tf.errors.UnavailableError, "Socket closed", False),
    ],
)
def test_an_error_of_this_worker_is_told_from_another_that_is_lost(
    monkeypatch, kind, text, is_own
):
    monkeypatch.setattr("strategy.workers.FAREWELL", 0.1)

    def compute(workers):
        if workers.index == 1:
            workers.gather("more", None)
        raise kind(None, None, text)

    error, other = everyone(2, compute)
    assert isinstance(error, kind if is_own else RetryError)
    assert isinstance(other, WorkerError) and other.exit_code == 75
    if "NCCL" in text:
        assert str(error).endswith(
            f"goes on. 2 root error(s) found. (0) INTERNAL: {NCCL}"
        )


def test_what_an_operation_says_is_found_behind_its_stacks():
    @tf.function(autograph=False)
    def check(x):
        return tf.debugging.check_numerics(x, "of the collective?")

    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        check(tf.constant(float("nan")))
    assert "\n" in caught.value.message
    text = lost.essence(caught.value)
    assert text.endswith("of the collective? : Tensor had NaN values")
    assert "File" not in text and "node" not in text


@pytest.mark.parametrize("in_tensorflow", [True, False])
def test_a_fault_is_found_behind_the_ends_of_others(in_tensorflow):
    """Worker 1 is killed or gives up, worker 2 has the fault that was the cause."""
    gone = threading.Event()

    def work(workers):
        if workers.index == 1:
            workers._connections.close()
            workers._connections.peers = {}
            gone.set()
            raise RetryError("It is gone.")
        assert gone.wait(120)
        if workers.index == 2:
            raise DataError("The disk has died.")
        if in_tensorflow:
            raise tf.errors.UnavailableError(None, None, "Socket closed")
        workers.gather("lists", None)

    error = everyone(3, work)[0]
    assert isinstance(error, WorkerError) and error.exit_code == 3
    assert "The disk has died." in str(error)
