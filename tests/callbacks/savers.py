"""A saver of checkpoints that only notes what it is asked for."""

from callbacks.save_checkpoints import SaveCheckpoints
from configs.command.errors import StorageError
from storage.rows import Rows


class Store:
    """Notes what it is asked to save; fails while told to."""

    def __init__(self):
        self.saved, self.full = [], False

    def steps(self):
        return [step for step, *_ in self.saved]

    def save(self, step, protect=()):
        if self.full:
            raise StorageError("no space")
        self.saved.append((step, *protect))


def create_saver(folder, **options):
    """A saver that is due every three steps, with its history in a folder."""
    history = Rows(folder / "history.jsonl")
    return SaveCheckpoints(
        Store(), rows=[history], history=history, step=0, save_every=3, **options
    )
