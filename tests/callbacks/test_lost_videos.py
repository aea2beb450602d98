"""Videos that go bad under a run end it, with a checkpoint."""

import pytest

from callbacks.lost_videos import LostVideos
from configs.command.errors import DataError
from tests.callbacks.logs import LOGS
from tests.callbacks.savers import create_saver


def test_videos_gone_bad_end_the_run_with_a_checkpoint(tmp_path):
    saver = create_saver(tmp_path)

    def check(count):
        assert count is None
        if lost.step >= 3:
            raise DataError("too many")

    lost = LostVideos(check, saver=saver, step=1)
    lost.on_train_batch_end(0, LOGS)
    with pytest.raises(DataError) as caught:
        lost.on_train_batch_end(0, LOGS)
    assert caught.value.exit_code == 3
    assert saver.store.saved == [(3, None)]
