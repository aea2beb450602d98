"""Which videos were trained on is read as it was written, or refused."""

import pytest

from configs.command.errors import ConfigError
from storage.trained_videos import TrainedVideos, read_trained_videos

SOME = TrainedVideos(names=frozenset("ab"), contents=frozenset(["12-ab"]))


def test_it_reads_back(tmp_path):
    (tmp_path / "file").write_text(SOME.to_json())
    assert read_trained_videos(tmp_path / "file") == SOME
    assert read_trained_videos(tmp_path / "absent") is None


def test_the_union_holds_both():
    other = TrainedVideos(names=frozenset("bc"), groups=frozenset("g"))
    both = SOME | other
    assert both.names == set("abc") and both.groups == set("g")
    assert both.contents == {"12-ab"}


@pytest.mark.parametrize("text", ["", "[]", '{"names": 3}', '{"names": [3]}', "\xff"])
def test_a_damaged_file_is_named(tmp_path, text):
    path = tmp_path / "trained_videos.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"trained_videos\.json must be as the run"):
        read_trained_videos(path)
