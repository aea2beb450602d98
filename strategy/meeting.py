"""How the workers find one another: each of them connects with the chief."""

import contextlib
import dataclasses
import json
import socket
import time
from multiprocessing.connection import Connection, wait
from typing import Literal

from absl import logging

from configs.command.errors import ConfigError, RetryError
from storage.records import Count
from strategy.connections import TICK, read

READING = 30  # seconds in which a message that has begun must have come


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hello:
    """The first message of a worker to the chief: who it is, and what it was told."""

    project: Literal["video-swin-finetuning"] = "video-swin-finetuning"
    index: Count
    addresses: tuple[str, ...]


def accept_workers(connections, deadline):
    """Waits at the chief's address until every other worker has connected.

    Args:
        connections: the `Connections`, to which each is added when it comes.
        deadline: seconds, by `time.monotonic`.

    Raises:
        ConfigError: the port is taken, or two workers contradict one another.
        RetryError: some did not come.
    """
    cluster = connections.cluster
    everyone = set(range(1, len(cluster.addresses)))
    strangers = []
    with _listening(cluster, deadline) as listener:
        while missing := everyone - connections.peers.keys():
            connections.say_alive()
            left = deadline - time.monotonic()
            if left <= 0:
                raise RetryError(
                    f"{connections.names(missing)} did not come within "
                    f"{connections.silence / 60:g} minutes (runtime.join_minutes)."
                )
            for ready in wait([listener, *strangers], min(left, TICK)):
                if ready is listener:
                    strangers.append(_connection(listener.accept()[0]))
                else:
                    strangers.remove(ready)
                    _admit(connections, ready)


def connect_to_chief(connections, deadline):
    """Connects with the chief, as soon as it answers.

    Args:
        connections: the `Connections`, to which it is added.
        deadline: seconds, by `time.monotonic`.

    Raises:
        ConfigError: this worker's own port is taken.
        RetryError: the chief did not answer.
    """
    cluster = connections.cluster
    with _listening(cluster, deadline):
        pass  # TensorFlow will; better to know now whether it can.
    link = None
    while link is None:
        try:
            link = _connect(_split(cluster.addresses[0]))
        except OSError as error:  # Also a name that is not known yet.
            if time.monotonic() > deadline:
                raise RetryError(
                    f"{connections.names([0])}, the chief, did not answer within "
                    f"{connections.silence / 60:g} minutes (runtime.join_minutes): "
                    f"{error}."
                ) from None
            time.sleep(TICK / 4)
    connection = _connection(link)
    hello = Hello(index=cluster.index, addresses=cluster.addresses)
    connection.send_bytes(json.dumps(dataclasses.asdict(hello)).encode())
    connections.peers[0] = connection


def _admit(connections, connection):
    """Adds the worker that a new connection comes from."""
    try:
        hello = read(connection, Hello)
    except (OSError, EOFError, ValueError) as error:
        logging.warning("Something else than a worker connected: %s.", error)
        connection.close()
        return
    cluster, index = connections.cluster, hello.index
    connections.others.append(connection)
    if hello.addresses != cluster.addresses:
        raise ConfigError(
            "All workers must be told the same addresses; worker 0 was told "
            f"{', '.join(cluster.addresses)}, worker {index} "
            f"{', '.join(hello.addresses)}."
        )
    before = connections.peers.get(index)
    if before is not None and not _has_ended(before):  # One that was started anew.
        raise ConfigError(
            "Each process must be another worker; two say that they are "
            f"{connections.names([index])}."
        )
    connections.peers[index] = connections.others.pop()


def _has_ended(connection):
    """Whether the other side has closed a connection; what it sent before is lost."""
    try:
        while connection.poll():
            read(connection)
    except (OSError, EOFError, ValueError):
        return True
    return False


@contextlib.contextmanager
def _listening(cluster, deadline):
    """A socket that listens at this worker's port, once the port is free."""
    _, port = _split(cluster.addresses[cluster.index])
    while True:
        try:
            listener = socket.create_server(("", port), backlog=128)
            break
        except OSError as error:
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"Port {port} of worker {cluster.index} must be free: {error}."
                ) from None
            time.sleep(TICK / 4)  # The run that went before may be about to end.
    with listener:
        yield listener


def _connect(address):
    """A socket connected with an address, (host, port)."""
    link = socket.create_connection(address, READING)
    if link.getsockname() == link.getpeername():
        # Where nobody listens yet, the system may have chosen the same port for it.
        link.close()
        raise ConnectionRefusedError("nobody listens")
    return link


def _split(address):
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _connection(link):
    """A connection over a socket, which notices within minutes that a machine died."""
    link.settimeout(None)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", 30),
        ("TCP_KEEPINTVL", 10),
        ("TCP_KEEPCNT", 6),
    ):
        link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    seconds = READING.to_bytes(8, "little") + bytes(8)  # struct timeval
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, seconds)
    return Connection(link.detach())
