"""When checkpoints are saved, and which of them stay."""

import pytest

from configs.command.errors import StorageError
from tests.callbacks.logs import LOGS
from tests.callbacks.savers import create_saver


@pytest.fixture
def saver(tmp_path):
    return create_saver(tmp_path)


def test_saves_come_every_so_many_steps_of_the_run(saver):
    for _ in range(7):
        saver.on_train_batch_end(0, LOGS)
    assert [step for step, _ in saver.store.saved] == [3, 6]


def test_a_full_disk_delays_saving_and_not_training(saver):
    saver.store.full = True
    for _ in range(3):
        saver.on_train_batch_end(0, LOGS)
    with pytest.raises(StorageError) as caught:
        saver.save(3, required=True)
    assert caught.value.exit_code == 6
    saver.store.full = False
    for _ in range(3):
        saver.on_train_batch_end(0, LOGS)
    assert [step for step, _ in saver.store.saved] == [6]


def test_the_best_epoch_is_protected(saver):
    saver.history.append({"step": 2, "validation": "groups", "top1": 0.5})
    saver.save(2)
    assert saver.store.saved == [(2, 2)]
    assert saver.saved == 2


def test_lasting_checkpoints_are_protected_besides_the_best(tmp_path):
    saver = create_saver(tmp_path, lasting={4, 8})
    saver.history.append({"step": 2, "validation": "groups", "top1": 0.5})
    saver.save(2)
    assert set(saver.store.saved[0][1:]) == {2, 4, 8}
