import os

import pytest

from configs.command.errors import ConfigError, StorageError
from configs.schema import Experiment, video_swin
from configs.schema.serialization import to_json
from storage.run_folder import RunFolder
from storage.unwritten_folder import UnwrittenFolder

CONFIG = Experiment(model=video_swin("tiny")).completed()


def test_a_folder_that_is_not_there_is_not_made(tmp_path):
    folder = UnwrittenFolder(tmp_path / "a" / "b")
    folder.begin(to_json(CONFIG), {"train_size": 3})
    folder.finish({})
    assert not folder.identity and not list(tmp_path.iterdir())


def test_a_run_that_has_begun_is_compared_and_stays_finished(tmp_path):
    RunFolder(tmp_path).begin(to_json(CONFIG), {"train_size": 3})
    RunFolder(tmp_path).finish({})
    folder = UnwrittenFolder(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    folder.begin(to_json(CONFIG), {"train_size": 3})
    with pytest.raises(ConfigError, match=r"train_size \(was 3, received 4\)"):
        folder.begin(to_json(CONFIG), {"train_size": 4})
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_could_not_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path)
    with pytest.raises(StorageError, match=f"must be writable; {tmp_path} is not"):
        UnwrittenFolder(tmp_path / "a" / "b")
