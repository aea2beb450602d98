"""Workers meet over real sockets, each in a thread of its own."""

import concurrent.futures
import contextlib
import json
import socket
import threading
import time

import pytest
import tensorflow as tf

from configs.command.errors import (
    ConfigError,
    DataError,
    RetryError,
    WorkerError,
)
from configs.schema import Runtime
from strategy import connections, departures, meeting
from strategy.workers import join_workers

SOON = Runtime(join_minutes=1 / 60)
LATE = Runtime(join_minutes=10)


@pytest.fixture
def ports():
    """Free ports, held until asked for."""
    with contextlib.ExitStack() as stack:

        def ports(count):
            held = [socket.create_server(("", 0)) for _ in range(count)]
            numbers = [one.getsockname()[1] for one in held]
            for one in held:
                one.close()
            return numbers

        yield ports
        stack.close()


def environ(ports, index):
    addresses = [f"127.0.0.1:{port}" for port in ports]
    task = {"type": "worker", "index": index}
    return {"TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task})}


def run(environs, function, runtime=LATE):
    """Calls `function(workers)` as each worker; what each returned or raised."""

    def work(environ):
        try:
            with join_workers(runtime, environ) as workers:
                return function(workers)
        except Exception as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(len(environs)) as pool:
        return list(pool.map(work, environs))


def everyone(ports, function, runtime=LATE):
    return run([environ(ports, i) for i in range(len(ports))], function, runtime)


def test_alone_it_agrees_with_itself():
    with join_workers(Runtime(cluster="none")) as workers:
        assert (workers.index, workers.count, workers.is_chief) == (0, 1, True)
        assert workers.gather("a", 5) == [5]
        assert workers.share("b", 6) == 6
        assert workers.chief_first("c", lambda: 7) == 7
        workers.compare("d", {"x": 1})
        workers.alive()


@pytest.mark.parametrize("count", [2, 3])
def test_all_collect_what_each_has(ports, count):
    def talk(workers):
        all_of_them = [workers.gather(f"round {n}", [workers.index, n]) for n in (1, 2)]
        return workers.is_chief, workers.share("word", workers.index), all_of_them

    for index, result in enumerate(everyone(ports(count), talk)):
        expected = [[[i, n] for i in range(count)] for n in (1, 2)]
        assert result == (index == 0, 0, expected)


def test_what_the_chief_does_first_is_done_when_the_others_begin(ports):
    done = []
    results = everyone(
        ports(3),
        lambda workers: workers.chief_first(
            "list", lambda: done.append(workers.index) or len(done)
        ),
    )
    assert done[0] == 0 and results[0] == 1 and sorted(done) == [0, 1, 2]


def test_what_differs_ends_all_with_the_same_reason(ports):
    def compare(workers):
        workers.compare("options", {"seed": 1, "epochs": 2 + workers.index // 2})

    errors = everyone(ports(3), compare)
    assert {type(error) for error in errors} == {ConfigError}
    assert {str(error) for error in errors} == {
        "All workers must have the same options; epochs is 2 on worker 0, 3 on "
        "worker 2."
    }


@pytest.mark.parametrize("index", range(3))
def test_the_reason_of_one_reaches_all(ports, index):
    def fail(workers):
        if workers.index == index:
            raise DataError("The videos are gone.")
        workers.gather("lists", None)

    errors = everyone(ports(3), fail)
    assert isinstance(errors.pop(index), DataError)
    for error in errors:
        assert isinstance(error, WorkerError) and error.exit_code == 3
        assert f"worker {index} of 3" in str(error)
        assert "DataError: The videos are gone." in str(error)


def test_one_that_ends_without_a_word_ends_all(ports):
    def leave(workers):
        if workers.index == 1:
            workers._connections.close()
            workers._connections.peers = {}
        workers.gather("lists", None)

    errors = everyone(ports(3), leave)
    assert all(isinstance(errors[index], RetryError | WorkerError) for index in (0, 2))
    assert errors[0].exit_code == errors[2].exit_code == 75
    assert "worker 1 (127.0.0.1:" in str(errors[0])


def test_a_worker_that_hangs_leaves_when_another_has_gone(ports, monkeypatch, capfd):
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

    everyone(ports(2), hang)
    assert codes[0] == 75
    assert "Current thread" in capfd.readouterr().err


def test_a_chief_that_does_its_own_work_brings_it_to_an_end(ports, monkeypatch):
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
    everyone(ports(2), work)
    assert written == ["written"]


def test_what_tensorflow_says_of_a_lost_worker_is_explained(ports, capfd):
    def compute(workers):
        if workers.index == 1:
            raise DataError("The disk has died.")
        raise tf.errors.UnavailableError(None, None, "Collective ops is aborted by: x")

    error = everyone(ports(2), compute)[0]
    assert isinstance(error, WorkerError) and error.exit_code == 3
    assert "The disk has died." in str(error)
    assert "Current thread" in capfd.readouterr().err


def test_a_worker_that_never_comes_is_named(ports, monkeypatch):
    monkeypatch.setattr(connections, "ALIVE_EVERY", 0.0)
    monkeypatch.setattr(meeting, "TICK", 0.05)
    some = ports(3)
    errors = run([environ(some, 0), environ(some, 1)], lambda workers: None, SOON)
    assert isinstance(errors[0], RetryError) and isinstance(errors[1], WorkerError)
    for error in errors:
        assert f"worker 2 (127.0.0.1:{some[2]}) did not come" in str(error)
        assert error.exit_code == 75


def test_a_chief_that_never_comes_is_named(ports):
    (error,) = run([environ(ports(2), 1)], lambda workers: None, SOON)
    assert isinstance(error, RetryError)
    assert "the chief, did not answer within" in str(error)


@pytest.mark.parametrize("index", range(2))
def test_a_port_that_is_taken_is_named(ports, index):
    some = ports(2)
    with socket.create_server(("", some[index])):
        error = run([environ(some, index)], lambda workers: None, SOON)[0]
    assert isinstance(error, ConfigError)
    assert f"Port {some[index]} of worker {index} must be free" in str(error)


def test_two_that_say_they_are_the_same_worker_end(ports):
    some = ports(3)
    errors = run([environ(some, i) for i in (0, 1, 1)], lambda workers: None)
    assert isinstance(errors[0], ConfigError)
    assert all("two say that they are worker 1" in str(error) for error in errors)


def test_workers_of_different_clusters_end_with_the_difference(ports):
    some = ports(3)
    errors = run(
        [environ(some[:2], 0), environ([some[0], some[2]], 1)], lambda workers: None
    )
    for error in errors:
        assert error.exit_code == 2
        assert "must be told the same addresses" in str(error)
        assert f"worker 1 127.0.0.1:{some[0]}, 127.0.0.1:{some[2]}" in str(error)


def test_what_is_no_worker_is_passed_over(ports, caplog):
    some = ports(2)

    def probe():
        stranger = None
        while stranger is None:
            with contextlib.suppress(OSError):
                stranger = meeting._connect(("127.0.0.1", some[0]))
            time.sleep(0.01)
        with stranger, contextlib.suppress(ConnectionResetError):
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            stranger.recv(1)

    thread = threading.Thread(target=probe)
    thread.start()
    chief = threading.Thread(
        target=lambda: run([environ(some, 0)], lambda workers: workers.share("x", 1))
    )
    chief.start()
    thread.join()
    results = run([environ(some, 1)], lambda workers: workers.share("x"))
    chief.join()
    assert results == [1]
    assert "Something else than a worker connected" in caplog.text


def test_one_at_work_is_waited_for_and_one_that_is_silent_is_not(ports, monkeypatch):
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

    assert everyone(ports(2), work, Runtime(join_minutes=1 / 600 * 10)) == [1, 1]

    stop = threading.Event()

    def silence(workers):
        if workers.is_chief:
            stop.wait()
            raise RetryError("late")
        try:
            workers.share("done")
        finally:
            stop.set()

    errors = everyone(ports(2), silence, Runtime(join_minutes=1 / 120))
    assert "No sign of life from worker 0" in str(errors[1])
