"""The folder of a run that is only tried: it is read, and nothing is written there."""

import os

from configs.command.errors import StorageError
from storage.disk import nearest_folder
from storage.run_folder import RunFolder


class UnwrittenFolder(RunFolder):
    """A run's folder as it is, which need not be there; nobody locks it."""

    is_kept = False

    def __init__(self, path):
        """Looks whether a run could write there.

        Args:
            path: the folder.

        Raises:
            ConfigError: see `RunFolder`.
            StorageError: it, or the folder in which it would be made, is not writable.
        """
        super().__init__(path)
        nearest = nearest_folder(self.path.absolute())
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise StorageError(f"{self.path} must be writable; {nearest} is not.")

    def write(self, name, text):
        """Writes nothing."""

    def begin(self, config_json, facts):
        """Checks that a run could begin or go on; see `RunFolder`."""
        self.check_run(config_json, facts)
