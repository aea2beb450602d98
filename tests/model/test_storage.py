import hashlib

import pytest

from configs.errors import ConfigError
from model.storage import sha256, written_aside


def test_output_appears_whole(tmp_path):
    with written_aside(tmp_path / "deep" / "folder") as path:
        path.mkdir()
        (path / "file").write_text("text")
        assert not (tmp_path / "deep" / "folder").exists()
    assert (tmp_path / "deep" / "folder" / "file").read_text() == "text"
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_nothing_stays_behind_on_failure(tmp_path):
    with pytest.raises(KeyError), written_aside(tmp_path / "file") as path:
        path.write_text("half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_refuses_to_overwrite(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="must not exist"):
        with written_aside(tmp_path / "file"):
            pass
    assert (tmp_path / "file").read_text() == "mine"


def test_hash_is_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"bytes" * 1000)
    expected = hashlib.sha256(b"bytes" * 1000).hexdigest()
    assert sha256(tmp_path / "file") == expected
