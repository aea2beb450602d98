"""What a worker that writes nothing keeps of a run."""

from types import SimpleNamespace

import pytest

from callbacks import Follower, follower
from callbacks.record import BEGIN, SAVED
from configs.schema import Checkpoints


class Chief:
    """What the chief says, and what it was asked for."""

    def __init__(self, **values):
        self.values = values
        self.asked = []

    def share(self, name, value):
        assert value is None
        self.asked.append(name)
        return self.values.get(name)


@pytest.fixture
def follow(monkeypatch):
    """Creates a follower of a chief at step 4, which saves every three."""

    class Store:
        def __init__(self, path, model, run_id):
            assert (path, run_id) == ("run/checkpoints", "id")

        def restore_weights(self, step):
            return step

    class Folder:
        identity = {"run_id": "id"}

        def __truediv__(self, name):
            return f"run/{name}"

    monkeypatch.setattr(follower, "CheckpointStore", Store)
    seen = SimpleNamespace(beats=0, polls=0, record=None)

    def follow(chief):
        def count(name):
            setattr(seen, name, getattr(seen, name) + 1)

        record = Follower(
            Checkpoints(save_every=3),
            Folder(),
            None,
            watchdog=SimpleNamespace(beat=lambda: count("beats")),
            preemption=SimpleNamespace(
                poll=lambda: count("polls"),
                begin=lambda record: setattr(seen, "record", record),
            ),
            share=chief.share,
        )
        assert seen.record is record
        return record, seen

    return follow


def test_it_begins_where_the_chief_does(follow):
    chief = Chief(**{BEGIN: 4})
    record, seen = follow(chief)
    assert (record.step, record.saved, record.unsaved) == (4, 4, False)
    assert chief.asked == [BEGIN]
    assert (seen.beats, seen.polls) == (1, 1)


def test_it_knows_what_the_chief_has_saved(follow):
    """A signal between two saves must not end it at once."""
    record, _ = follow(Chief(**{BEGIN: 4}))
    unsaved = []
    for _ in range(3):
        record.on_train_batch_end(0, {})
        unsaved.append(record.unsaved)
    assert unsaved == [True, False, True]  # After steps 5, 6 and 7.
    assert (record.step, record.saved) == (7, 6)


def test_it_waits_until_the_chief_has_saved(follow):
    chief = Chief(**{BEGIN: 4})
    record, _ = follow(chief)
    record.on_train_batch_end(0, {})
    record.save()
    assert chief.asked[-1] == SAVED and not record.unsaved


@pytest.mark.parametrize("is_done", [True, False])
def test_it_validates_where_the_chief_does(follow, is_done):
    record, seen = follow(Chief(**{BEGIN: 4, "epoch 1 is validated": is_done}))
    record.on_train_batch_end(0, {})
    validated = []
    assert not record.end_epoch(1, lambda: validated.append(1))
    assert len(validated) == (not is_done)
    assert not record.unsaved and seen.beats == 2


@pytest.mark.parametrize("is_last", [True, False])
def test_it_ends_where_the_chief_does(follow, is_last):
    said = {"epoch 1 is validated": True, "epoch 1 is the last": is_last}
    record, _ = follow(Chief(**{BEGIN: 4}, **said))
    assert record.end_epoch(1, None) == is_last
