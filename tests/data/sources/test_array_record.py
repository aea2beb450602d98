import dataclasses
import json
import shutil

import numpy as np
import pytest

from configs.command.errors import ConfigError, DataError
from configs.schema import Data
from data.pack.work import pack
from data.scan import cache
from data.sources import array_record, check_root, open_source, scan_source
from tests.data.streams import assert_same, joined, open_set, replica_batches, train


@pytest.fixture(scope="module")
def whole(counting_set, tmp_path_factory):
    """The packed form of the small set."""
    out = tmp_path_factory.mktemp("packed")
    data = Data(root=str(counting_set))
    pack(open_source(data), data, out, shard_bytes=20_000)
    return out


@pytest.fixture
def packed(whole, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(whole, tmp_path / "packed")


def opened(root, **changes):
    return open_source(Data(source="array_record", root=str(root), **changes))


def change(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_run_on_records_is_the_run_on_files(counting_set, whole):
    files = open_set(counting_set)
    records = open_set(whole, source="array_record")
    assert files.identity == records.identity
    assert_same(train(files, 6), train(records, 6))
    assert_same(train(files, 3, step=3), train(records, 3, step=3, replicas=2))
    strategies = [joined_views(clips) for clips in (files, records)]
    assert_same(*strategies)


def joined_views(clips):
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    return joined(replica_batches(strategy, clips.views(strategy)))


def test_the_videos_are_known_for_the_same(counting_set, whole):
    files, records = (
        open_set(root, source=source).identities
        for root, source in ((counting_set, "ucf101"), (whole, "array_record"))
    )
    assert files.test_fingerprint() == records.test_fingerprint()
    assert files.fingerprints() == records.fingerprints()
    trained = files.trained_videos()
    assert dataclasses.asdict(trained) == dataclasses.asdict(records.trained_videos())
    # Three test videos show what videos that are trained on show.
    assert files.seen(trained) == records.seen(trained)
    assert list(records.seen(trained).values()) == ["content"] * 3
    none = dataclasses.replace(trained, contents=frozenset())
    assert files.seen(none) == records.seen(none) == {}


def test_scan_tells_what_was_packed(counting_set, whole):
    files = scan_source(Data(root=str(counting_set)))
    assert scan_source(Data(source="array_record", root=str(whole))) == files


def test_other_decoders_scan_again_and_remember(whole, packed, monkeypatch):
    before = opened(whole)
    monkeypatch.setattr(cache, "RULES", 99)
    cache.judges.cache_clear()
    scans, scan = [], array_record._scan
    monkeypatch.setattr(
        array_record, "_scan", lambda *args: scans.append(args) or scan(*args)
    )
    try:
        told = []
        data = Data(source="array_record", root=str(packed))
        after = open_source(data, after_video=lambda: told.append(1))
        assert after.videos == before.videos
        assert len(scans) == len(told) == len(before.videos)
        assert open_source(data).videos == before.videos
        assert len(scans) == len(before.videos)
    finally:
        cache.judges.cache_clear()


def test_another_split_than_the_one_packed_is_refused(whole):
    with pytest.raises(ConfigError, match="data.split must be 1.*received 2"):
        opened(whole, split=2)
    assert len(scan_source(Data(source="array_record", root=str(whole), split=2))) == 15


def test_what_tells_left_from_right_is_not_mirrored(packed):
    change(packed / "index.json", source="something-something-v2", split=None)
    with pytest.raises(ConfigError, match="data.flip must be false.*left and right"):
        opened(packed)
    assert len(opened(packed, flip=False, split=3).videos) == 15


def first(folder, ending):
    return min(folder.glob(f"videos-*.{ending}"))


def swap(folder, ending):
    """Two shards, or what is said of them, change their places."""
    paths = [min(folder.glob(f"videos-*.{ending}")), max(folder.glob(f"*.{ending}"))]
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, reversed(contents), strict=True):
        path.write_bytes(content)


def shorten(path):
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda f: (f / "index.json").unlink(), "index.json cannot be read"),
        (lambda f: (f / "index.json").write_text("{"), "index.json cannot be read"),
        (lambda f: change(f / "index.json", shards=[]), "index.json cannot be read"),
        (lambda f: change(f / "index.json", class_names=["a"]), "contradict its index"),
        (lambda f: first(f, "json").unlink(), "00000-of-.*json cannot be read"),
        (lambda f: first(f, "array_record").unlink(), "record cannot be read: .*No su"),
        (lambda f: shorten(first(f, "array_record")), "00000.* not as it was packed"),
        (lambda f: change(first(f, "json"), rows=[]), "00000.* not as it was packed"),
        (lambda f: swap(f, "array_record"), "00000.* not as it was packed"),
        (lambda f: swap(f, "json"), "00000.* not as it was packed"),
    ],
)
def test_damage_is_told_in_a_line(packed, damage, message):
    damage(packed)
    with pytest.raises(DataError, match=message) as error:
        opened(packed)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_a_library_that_says_otherwise_is_believed(packed, monkeypatch):
    reader = array_record.ArrayRecordReader
    monkeypatch.setattr(reader, "num_records", lambda self: 7)
    with pytest.raises(DataError, match="must have 2 records.* it has 7"):
        opened(packed)


@pytest.mark.parametrize("root", ["file://{}", "gopher://a/b", "{}"])
def test_what_reads_urls_may_raise_what_it_likes(packed, root, monkeypatch):
    def fails(path):
        raise KeyError("no such scheme")

    monkeypatch.setattr("data.sources.packed_index.epath.Path", fails)
    with pytest.raises(DataError, match="index.json cannot be read"):
        opened(root.format(packed))


def test_a_root_that_holds_none_is_refused(counting_set):
    with pytest.raises(DataError, match="python -m data.pack"):
        check_root(Data(source="array_record", root=str(counting_set)))
    with pytest.raises(DataError, match="received ''"):
        check_root(Data(source="array_record"))
    check_root(Data(source="array_record", root="gs://bucket/packed"))


def test_frames_may_be_asked_for_by_several_threads(counting_set, whole):
    files = open_set(counting_set, threads=8)
    records = open_set(whole, source="array_record", threads=8)
    views = [np.stack([c.views_of(v) for v in range(4)]) for c in (files, records)]
    np.testing.assert_array_equal(*views)
