"""What a worker does when another one has gone: it ends as well, in bounded time."""

import faulthandler
import os
import select
import signal
import sys
import threading

from absl import logging

from configs.command.errors import RetryError

# Seconds in which the main thread should have noticed by itself; it may be saving.
GRACE = 300.0


def leave_when_one_is_gone(connections, over, is_alone):
    """Ends this process with 75, `GRACE` seconds after a peer has disconnected.

    Returns at once: a thread watches. The collectives of TensorFlow notice it as well,
    and usually at once. But a main thread may wait for something that never comes, and
    no library promises that it wakes up.

    Args:
        connections: the `Connections` of this worker.
        over: a `threading.Event`, set when the others may go.
        is_alone: says whether this worker does something that needs no other, and that
            it should bring to its end, a function: it is asked when the time is up,
            and again until it has.
    """
    poll = select.poll()
    for connection in connections.peers.values():
        # Not whether something can be read, which it may be for hours.
        poll.register(connection, select.POLLRDHUP)

    def watch():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # The main thread's.
        while not over.is_set():
            gone = {number for number, _ in poll.poll(1000)}
            if not gone:
                continue
            if over.wait(GRACE):
                return
            if is_alone():
                continue
            indices = [i for i, c in connections.peers.items() if c.fileno() in gone]
            say_stacks(f"{connections.names(indices)} has ended, and this one hangs")
            os._exit(RetryError.exit_code)

    threading.Thread(target=watch, daemon=True).start()


def say_stacks(reason):
    """Writes a reason and the stacks of all threads to standard error."""
    logging.error("%s. The stacks of all threads:", reason)
    faulthandler.dump_traceback(file=sys.__stderr__)
