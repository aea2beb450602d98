"""How the workers find one another: each of them connects with the chief."""

import contextlib
import dataclasses
import json
import os
import select
import socket
import struct
import time
from multiprocessing.connection import Connection, wait
from typing import Literal

from absl import logging

from configs.command.errors import ConfigError, RetryError
from storage.records import Count, decode
from strategy.connections import TICK

READING = 30  # seconds in which a message that has begun must have come
HEADER = struct.Struct("!I")  # bytes of the hello that follows
LONGEST_HELLO = 2**16
MOST_VISITORS = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hello:
    """The first message of a worker to the chief: who it is, and what it was told."""

    project: Literal["video-swin-finetuning"] = "video-swin-finetuning"
    index: Count
    addresses: tuple[str, ...]


class _Visitor:
    """A connection whose hello has not come yet, or was refused; nothing waits for it.

    Attributes:
        link: the socket.
        since: when it came, by `time.monotonic`.
        is_refused: whether it is only read to its end, so that it can read why.
    """

    def __init__(self, link):
        link.setblocking(False)
        self.link, self.since, self.is_refused = link, time.monotonic(), False
        self._data = b""

    def fileno(self):
        """For `wait`."""
        return self.link.fileno()

    def hello(self):
        """Reads what has come.

        Returns:
            `Hello`; None while it is not whole.

        Raises:
            EOFError: the other side has closed it; OSError: it broke; ValueError: what
                came is no hello.
        """
        wanted = HEADER.size
        if len(self._data) >= HEADER.size:
            wanted += HEADER.unpack_from(self._data)[0]
        if wanted > LONGEST_HELLO:
            raise ValueError("what came is no hello")
        part = self.link.recv(wanted - len(self._data))
        if not part:
            raise EOFError("it was closed")
        self._data += part
        if len(self._data) <= HEADER.size or len(self._data) < wanted:
            return None
        return decode(self._data[HEADER.size :], Hello)


def accept_workers(connections, deadline):
    """Waits at the chief's address until every other worker has connected.

    Whoever is none of them, or was told another cluster, as one that an earlier launch
    has left behind, is refused and told why; the others are waited for.

    Args:
        connections: the `Connections`, to which each is added when it comes.
        deadline: seconds, by `time.monotonic`.

    Raises:
        ConfigError: the port is taken.
        RetryError: some did not come.
    """
    everyone = set(range(1, len(connections.cluster.addresses)))
    visitors, refused = [], ""
    with _listening(connections.cluster, deadline) as listener:
        listener.setblocking(False)
        while missing := everyone - connections.peers.keys():
            connections.say_alive()
            left = deadline - time.monotonic()
            if left <= 0:
                raise RetryError(
                    f"{connections.names(missing)} did not come within "
                    f"{connections.silence / 60:g} minutes (runtime.join_minutes)."
                    f"{refused}"
                )
            for ready in wait([listener, *visitors], min(left, TICK)):
                if ready is listener:
                    with contextlib.suppress(OSError):  # It may have gone again.
                        visitors.append(_Visitor(listener.accept()[0]))
                else:
                    refused = _hear(connections, ready) or refused
            visitors = _present(visitors)
    for visitor in visitors:
        visitor.link.close()


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
    hello = Hello(index=cluster.index, addresses=cluster.addresses)
    data = json.dumps(dataclasses.asdict(hello)).encode()
    with contextlib.suppress(OSError):  # Whoever reads next will notice.
        link.sendall(HEADER.pack(len(data)) + data)
    connections.peers[0] = _connection(link)


def _present(visitors):
    """Those that are connected still; the others, and the too slow ones, are closed."""
    now, present = time.monotonic(), []
    for age, visitor in enumerate(reversed(visitors)):
        if visitor.fileno() < 0:
            continue
        if age < MOST_VISITORS and now - visitor.since < READING:
            present.insert(0, visitor)
            continue
        if not visitor.is_refused:
            logging.warning("Something connected and did not say who it is.")
        visitor.link.close()
    return present


def _hear(connections, visitor):
    """Reads what a visitor has said, and adds it to the peers once it has said it all.

    Returns:
        Why it was refused, as a message goes on; "" otherwise.
    """
    try:
        if visitor.is_refused:
            if not visitor.link.recv(LONGEST_HELLO):
                visitor.link.close()
            return ""
        hello = visitor.hello()
    except (OSError, EOFError, ValueError) as error:
        if not visitor.is_refused:
            logging.warning("Something else than a worker connected: %s.", error)
        visitor.link.close()
        return ""
    if hello is None:
        return ""
    reason = _objection(connections, hello)
    if not reason:
        connections.peers[hello.index] = _connection(visitor.link)
        return ""
    logging.warning("Refused one that connected. %s", reason)
    visitor.is_refused = True
    message = {"error": reason, "exit_code": ConfigError.exit_code}
    with contextlib.suppress(OSError):
        with Connection(os.dup(visitor.fileno())) as connection:
            connection.send_bytes(json.dumps(message).encode())
        visitor.link.shutdown(socket.SHUT_WR)
    return f" One was refused: {reason}"


def _objection(connections, hello):
    """Why one that has said hello cannot be a worker of this run; "" if it can."""
    addresses, index = connections.cluster.addresses, hello.index
    if hello.addresses != addresses:
        return (
            "All workers must be told the same addresses; worker 0 was told "
            f"{', '.join(addresses)}, worker {index} {', '.join(hello.addresses)}."
        )
    if not 0 < index < len(addresses):
        return (
            f"Workers that connect must be 1 to {len(addresses) - 1}; one says that it "
            f"is worker {index}."
        )
    before = connections.peers.get(index)
    if before is not None and not _has_ended(before):  # One that was started anew.
        return (
            "Each process must be another worker; two say that they are "
            f"{connections.names([index])}."
        )
    return ""


def _has_ended(connection):
    """Whether the other side has closed a connection; what it sent stays to be read."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))


@contextlib.contextmanager
def _listening(cluster, deadline):
    """A socket that listens at this worker's port, once the port is free."""
    _, port = _split(cluster.addresses[cluster.index])
    while True:
        try:
            listener = _server(port)
            break
        except OSError as error:
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"Port {port} of worker {cluster.index} must be free: {error}."
                ) from None
            time.sleep(TICK / 4)  # The run that went before may be about to end.
    with listener:
        yield listener


def _server(port):
    """A socket that listens at every address of this machine, IPv4 and IPv6."""
    if socket.has_dualstack_ipv6():
        options = {"family": socket.AF_INET6, "dualstack_ipv6": True}
        with contextlib.suppress(OSError):  # As where IPv6 is turned off.
            return socket.create_server(("", port), backlog=128, **options)
    return socket.create_server(("", port), backlog=128)


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
        # What was sent and is not confirmed puts off the three above for a quarter of
        # an hour.
        ("TCP_USER_TIMEOUT", 90_000),  # milliseconds
    ):
        link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    seconds = READING.to_bytes(8, "little") + bytes(8)  # struct timeval
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, seconds)
    return Connection(link.detach())
