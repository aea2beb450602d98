"""Connections between the chief and the other workers, which carry JSON messages."""

import contextlib
import json
import os
import select
import socket
import time
from multiprocessing.connection import wait

from configs.command.errors import RetryError, WorkerError

LONGEST = 2**24  # bytes of a message
TICK = 1.0  # seconds between two looks at something else than the connections
ALIVE = {"alive": True}
ALIVE_EVERY = 5.0  # seconds
LINGER = 2.0  # seconds
# Seconds in which, once one worker has ended, another may say that it was the cause.
CAUSE = 1.0


class Connections:
    """The connections of one worker: the chief's to all others, theirs to the chief.

    Attributes:
        peers: index of a worker -> its connection.
    """

    def __init__(self, cluster, silence):
        """Begins without any.

        Args:
            cluster: the `Cluster`.
            silence: seconds without a message after which a worker that is waited for
                counts as lost.
        """
        self.cluster = cluster
        self.silence = silence
        self.peers = {}
        self._said_alive = 0.0

    def send(self, message):
        """Sends a message, JSON values, to every peer; one that has gone misses it.

        Raises:
            ValueError: it is longer than a peer would read.
        """
        data = json.dumps(message).encode()
        if len(data) > LONGEST:
            raise ValueError(
                f"A message must have {LONGEST} bytes at most; received {len(data)}."
            )
        for connection in self.peers.values():
            with contextlib.suppress(OSError):
                connection.send_bytes(data)

    def close(self):
        """Closes all of them, once the peers have had time to read what was said last.

        A connection that is closed while something is on the way to it is reset, and
        what the peer has not read yet is lost.
        """
        everyone = left = list(self.peers.values())
        for connection in everyone:
            with contextlib.suppress(OSError):
                with socket.socket(fileno=os.dup(connection.fileno())) as link:
                    link.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + LINGER
        while left and (seconds := deadline - time.monotonic()) > 0:
            for connection in wait(left, seconds):
                try:
                    connection.recv_bytes(LONGEST)
                except (OSError, EOFError):
                    left = [other for other in left if other is not connection]
        for connection in everyone:
            connection.close()

    def say_alive(self):
        """Tells the peers, every few seconds at most, that this worker is at work.

        It never waits: whoever computes does not read what has come.
        """
        now = time.monotonic()
        if now - self._said_alive < ALIVE_EVERY:
            return
        self._said_alive = now
        data = json.dumps(ALIVE).encode()
        _, writable, _ = select.select([], self.peers.values(), [], 0)
        for connection in writable:
            with contextlib.suppress(OSError):
                connection.send_bytes(data)

    def receive(self, name, meanwhile):
        """Waits for a message of this name from each peer.

        Args:
            name: of the round.
            meanwhile: called every second.

        Returns:
            Index of the peer -> what it sent as "value".

        Raises:
            WorkerError: one of them has ended, and said why.
            RetryError: one of them has ended without a word, or says nothing any more.
        """
        values, heard = {}, dict.fromkeys(self.peers, time.monotonic())
        while len(values) < len(self.peers):
            meanwhile()
            self.say_alive()  # Those that have sent theirs wait for the slowest, too.
            awaited = {c: i for i, c in self.peers.items() if i not in values}
            ready = wait(awaited, TICK)
            now = time.monotonic()
            heard |= {awaited[connection]: now for connection in ready}
            silent = [i for i in awaited.values() if now - heard[i] > self.silence]
            if silent:
                raise RetryError(
                    f"No sign of life from {self.names(silent)} for "
                    f"{self.silence / 60:g} minutes (runtime.join_minutes)."
                )
            for connection in ready:
                index = awaited[connection]
                try:
                    message = self._read(index)
                except (RetryError, WorkerError) as error:
                    raise self._cause({index: error}, CAUSE) from None
                if message == ALIVE:
                    continue
                if message.get("round") != name:
                    raise RetryError(
                        f"{self.names([index])} must be at {name!r}, as this one is; "
                        f"received {message.get('round')!r}."
                    )
                values[index] = message["value"]
        return values

    def last_words(self, seconds):
        """Why a peer has ended, where one does or says so within some seconds.

        Returns:
            WorkerError or RetryError; where several have ended, the one that tells of a
            fault. None where all go on.
        """
        return self._cause({}, seconds)

    def _cause(self, ended, seconds):
        """The gravest reason of those that have ended, or end within some seconds.

        One that was lost, or lost another, may be read of before the one whose fault it
        was.

        Args:
            ended: index of a peer -> the error that `_read` has raised.
            seconds: how long to wait for others; `CAUSE` once there is one.
        """
        deadline = time.monotonic() + seconds
        while not any(map(_is_fault, ended.values())):
            running = {c: i for i, c in self.peers.items() if i not in ended}
            left = deadline - time.monotonic()
            if not running or left <= 0:
                break
            for connection in wait(running, left):
                try:
                    self._read(running[connection])
                except (RetryError, WorkerError) as error:
                    ended[running[connection]] = error
                    deadline = min(deadline, time.monotonic() + CAUSE)
        return max(ended.values(), key=_is_fault, default=None)

    def names(self, indices):
        """Workers as messages name them: "worker 1 (host:port)"."""
        addresses = self.cluster.addresses
        return ", ".join(f"worker {i} ({addresses[i]})" for i in sorted(indices))

    def _read(self, index):
        """The next message of a peer; raises what it says of its end."""
        try:
            # NaN may be in it, and the name of a file that is not UTF-8.
            message = dict(json.loads(self.peers[index].recv_bytes(LONGEST)))
        except (OSError, EOFError, ValueError, TypeError, RecursionError):
            raise RetryError(
                f"{self.names([index])} has ended without a word; its log may say why."
            ) from None
        if "error" in message:
            raise WorkerError(message["error"], message["exit_code"])
        return message


def _is_fault(error):
    """Whether an error tells of more than of an end after which all may go on."""
    return error.exit_code != RetryError.exit_code
