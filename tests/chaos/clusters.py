"""Runs of several workers on this machine."""

from launch.workers import free_ports, tf_config

# Three steps an epoch, one replica a worker.
EPOCHS = "--epochs=4"
FLAGS = (EPOCHS, "--runtime.replicas=1", "--runtime.join_minutes=2")


class Cluster:
    """The workers of one run; the first is the chief."""

    def __init__(self, start, workdir, count, *, flags=(), own=None):
        """Starts them.

        Args:
            start: the fixture.
            workdir: the run's folder.
            count: how many workers.
            flags: of all of them.
            own: index of a worker -> what only it is started with.
        """
        addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
        self.workers = []
        for index in range(count):
            options = dict((own or {}).get(index, {}))
            self.workers.append(
                start(
                    options.pop("workdir", workdir),
                    flags=[*FLAGS, *flags, *options.pop("flags", ())],
                    environ={"TF_CONFIG": tf_config(addresses, index)},
                    **options,
                )
            )

    def wait(self):
        """The exit codes of all."""
        return [worker.wait() for worker in self.workers]

    def outputs(self):
        """What all have said, for a message."""
        return "\n\n".join(worker.output()[-2500:] for worker in self.workers)
