"""How the workers of a run meet, agree on what they are about to do, and part.

TensorFlow's own engine computes with them. Before it starts, each worker must know that
the others have come and want the same; at the end, why one of them has left. They say
so over one connection of each worker to the chief, which lasts as long as the run. It
is made at the address that the cluster names for the chief, before TensorFlow takes
that port.

The words of this package, and what they are called elsewhere: workers *meet*
(rendezvous) and *part* (shutdown barrier); they *gather* values (all-gather), and
*share* the chief's (broadcast); one that is waited for says that it is *alive*
(heartbeat); *last words* tell why one ends (exit reason); the chief is worker 0, the
others are its followers.
"""

import contextlib
import json
import os
import threading
import time

import tensorflow as tf
from absl import logging

from configs.command.errors import ConfigError, RetryError, RunError
from strategy.cluster import find_cluster
from strategy.connections import Connections
from strategy.departures import leave_when_one_is_gone, say_stacks
from strategy.lost import LOST, essence, tells_of_others
from strategy.meeting import accept_workers, connect_to_chief

FAREWELL = 5.0  # Seconds in which another worker may say why it has ended.


class Workers:
    """This worker among those of its run; alone, where there is no cluster.

    Attributes:
        cluster: the `Cluster`; None for a run of one worker.
        index: of this worker.
        count: how many there are.
        is_chief: whether this is the first, the only one that writes.
        meanwhile: called every second while this worker waits for the others, and
            whenever it shows that it is at work: feeds a watchdog.
        is_alone: whether it is doing what the others wait for.
    """

    def __init__(self, cluster=None, connections=None):
        """Takes what `join_workers` has made.

        Args:
            cluster: see the class.
            connections: the `Connections` with the other workers.
        """
        self.cluster = cluster
        self.index = cluster.index if cluster else 0
        self.count = len(cluster.addresses) if cluster else 1
        self.is_chief = self.index == 0
        self.meanwhile = lambda: None
        self.is_alone = False
        self._connections = connections

    def __str__(self):
        """This worker as the log names it."""
        if self.count == 1:
            return "the only worker"
        address = self.cluster.addresses[self.index]
        return f"worker {self.index} of {self.count} ({address})"

    def gather(self, name, value):
        """Collects a value from every worker; each must ask for the same, in turn.

        Args:
            name: what it is, in words; workers that ask for different things end.
            value: JSON values.

        Returns:
            List of the workers' values, in the order of their indices.

        Raises:
            WorkerError: another worker has ended, and said why.
            RetryError: one is lost.
        """
        if self.count == 1:
            return [value]
        value = json.loads(json.dumps(value))  # As the others get it.
        mine = {"round": name, "value": value}
        if not self.is_chief:
            self._connections.send(mine)
            return self._connections.receive(name, self.meanwhile)[0]
        values = {0: value} | self._connections.receive(name, self.meanwhile)
        everything = [values[index] for index in range(self.count)]
        self._connections.send({"round": name, "value": everything})
        return everything

    def share(self, name, value=None):
        """The chief's value of something, on every worker.

        Args:
            name: see `gather`, also for what it raises.
            value: JSON values; the chief's counts.
        """
        return self.gather(name, value)[0]

    def compare(self, name, values):
        """Checks that all workers hold the same.

        Args:
            name: what is compared, in words that follow "the same".
            values: dict of JSON values.

        Raises:
            ConfigError: on every worker, the same; it names what differs.
            WorkerError, RetryError: see `gather`.
        """
        first, *others = self.gather(name, values)
        for index, other in enumerate(others, start=1):
            differences = [
                f"{key} is {_short(first.get(key))} on worker 0, "
                f"{_short(other.get(key))} on worker {index}"
                for key in sorted(first.keys() | other.keys())
                if first.get(key) != other.get(key)
            ]
            if differences:
                raise ConfigError(
                    f"All workers must have the same {name}; "
                    f"{'; '.join(differences[:5])}."
                )

    def from_chief(self, name, function):
        """What a function returns on the chief, which alone calls it.

        Args:
            name: see `gather`, also for what it raises besides the function's errors.
            function: returns JSON values. It may take as long as `runtime.join_minutes`
                without a call of `alive`: the others wait no longer for a sign of life.
        """
        return self.share(name, self._alone(function) if self.is_chief else None)

    def chief_first(self, name, function):
        """Calls a function on the chief, and on the others once it is done there.

        Args:
            name: see `gather`, also for what it raises besides the function's errors.
            function: called on every worker; see `from_chief` for how long it may take.

        Returns:
            What it returned on this worker.
        """
        if self.is_chief:
            result = self._alone(function)
            self.share(name)
            return result
        self.share(name)
        return function()

    def alive(self):
        """Tells the others that this worker is at work, where they wait for it."""
        self.meanwhile()
        if self.count > 1:
            self._connections.say_alive()

    @property
    def stall_exit_code(self):
        """Exit code of a worker that hangs: it may wait for another that is lost."""
        return (RetryError if self.count > 1 else RunError).exit_code

    def fail(self, error):
        """Tells the others why this worker ends."""
        ours = isinstance(error, RunError)
        text = essence(error) if isinstance(error, tf.errors.OpError) else error
        self._connections.send(
            {
                "error": f"{self} has ended. {type(error).__name__}: {text}",
                "exit_code": error.exit_code if ours else RetryError.exit_code,
            }
        )

    def reason(self, error):
        """Why this worker must end after an error that TensorFlow has raised.

        A lost worker shows as an error of several kinds, which a kernel or a driver of
        this machine raises as well.

        Args:
            error: a `tf.errors.OpError`.

        Returns:
            The reason of another worker's end where one has ended, and `RetryError`
            where TensorFlow says that one is lost. The error itself where it is this
            worker's own.
        """
        if self.count == 1 or not isinstance(error, LOST):
            return error
        reason = self._connections.last_words(FAREWELL)
        if reason is None and not tells_of_others(error):
            return error
        say_stacks("A worker seems to be lost")
        return reason or RetryError(
            "A worker is lost, or the way to it; the same command on all of them goes "
            f"on. {essence(error)}."
        )

    def _alone(self, function):
        self.is_alone = True
        try:
            return function()
        finally:
            self.is_alone = False


@contextlib.contextmanager
def join_workers(runtime, environ=os.environ):
    """Meets the other workers of the run, and parts from them at the end.

    Whatever ends one worker ends all of them: with the same exit code where it said
    why with an error of `configs.command.errors`, else with that of `RetryError`.

    Args:
        runtime: a `configs.schema.Runtime`.
        environ: the environment variables, which describe the cluster.

    Yields:
        `Workers`.

    Raises:
        ConfigError: the description of the cluster is wrong, a port is taken, or the
            workers disagree.
        RetryError: a worker did not come, or is lost.
        WorkerError: one has ended, and said why.
    """
    cluster = find_cluster(runtime.cluster, environ)
    if cluster is None:
        yield Workers()
        return
    silence = 60 * runtime.join_minutes
    connections = Connections(cluster, silence)
    workers, over = Workers(cluster, connections), threading.Event()
    try:
        meet = accept_workers if workers.is_chief else connect_to_chief
        meet(connections, time.monotonic() + silence)
        workers.gather("meeting", None)
        logging.info("This is %s.", workers)
        if not workers.is_chief:
            logging.set_verbosity(logging.WARNING)
        leave_when_one_is_gone(connections, over, lambda: workers.is_alone)
        yield workers
        workers.gather("parting", None)
    except tf.errors.OpError as error:
        reason = workers.reason(error)
        workers.fail(reason)
        if reason is error:
            raise
        raise reason from error
    except BaseException as error:
        workers.fail(error)
        raise
    finally:
        over.set()
        connections.close()


def _short(value):
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"
