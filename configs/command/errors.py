"""What can end a run, and the process exit code that says so."""


class RunError(Exception):
    """Ends a run with one line for the user and `exit_code` for the scheduler."""

    exit_code = 1


class ConfigError(RunError, ValueError):
    """A flag, a field or a file given as configuration is not usable."""

    exit_code = 2


class DataError(RunError):
    """The data set is incomplete, inconsistent or too damaged to train on."""

    exit_code = 3


class CheckpointError(RunError):
    """Checkpoints exist but none of them can be used."""

    exit_code = 4


class NumericsError(RunError):
    """Too many updates in a row, or a weight, were not finite."""

    exit_code = 5


class StorageError(RunError):
    """The run's folder could not be written, read or locked."""

    exit_code = 6


class LockedError(RunError):
    """Another process is writing to the run's folder."""

    exit_code = 7


class MachineError(RunError):
    """A check found that the machine, or what is installed on it, is not fit to run."""

    exit_code = 8


class RetryError(RunError):
    """The run was told to stop, or a worker is lost; the same command continues it."""

    exit_code = 75


class Interrupted(RetryError):
    """Stopped by the user (Ctrl-C); the same command continues it."""

    exit_code = 130


class WorkerError(RunError):
    """Another worker of the run has ended, and has said why."""

    def __init__(self, message, exit_code):
        """Takes the other worker's reason, and its exit code as one's own.

        Args:
            message: which worker, and why.
            exit_code: of that worker's process.
        """
        super().__init__(message)
        self.exit_code = exit_code
