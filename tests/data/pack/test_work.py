import dataclasses
import os
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordReader

from configs.command.errors import (
    ConfigError,
    DataError,
    LockedError,
    StorageError,
)
from configs.schema import Data
from data.decoding.errors import DecodeError
from data.decoding.write import write_video
from data.identities import content_key
from data.pack import shard
from data.pack.work import pack, plan
from data.sources import check_root, open_source
from data.sources.array_record import OPTIONS
from data.sources.base import Listing
from storage.lock import locked
from tests.data.samples import counting_frames
from tests.data.sources.test_frames import write as write_pictures

# Those of `shared/cases` that are decoded whole in a moment.
CASES = "cut_copy.mp4", "int_mpeg4.avi", "interlaced.mpg", "mirror.mp4", "sar.mp4"


def packed(root, out, *, shard_bytes=20_000, **changes):
    """The source that was packed, the source that it became, and how many shards."""
    data = Data(root=str(root), **changes)
    source = open_source(data)
    shards = pack(source, data, out, shard_bytes=shard_bytes)
    data = dataclasses.replace(data, source="array_record", root=str(out))
    return source, open_source(data), shards


def frames_of(source, video, frames=None):
    """Frames of one video, in the whole of its square at the top left."""
    found = source.videos[video]
    frames = np.arange(found.frames) if frames is None else frames
    side = min(found.height, found.width)
    out = np.empty([1, len(frames), 3, side, side], np.uint8)
    square = [(0, 0, side, side)]
    source.read(video, frames=frames, regions=square, size=side, flip=False, out=out)
    return out


def assert_same_source(one, two):
    """The same videos, in the same order, with the same frames."""
    assert one.videos == two.videos
    for field in dataclasses.fields(Listing):
        if field.name not in ("paths", "contents"):
            values = getattr(one.listing, field.name), getattr(two.listing, field.name)
            np.testing.assert_array_equal(*values, err_msg=field.name)
    for video, found in enumerate(one.videos):
        if not found.reason:
            np.testing.assert_array_equal(frames_of(one, video), frames_of(two, video))


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name[0] != ".")


def test_shards_hold_the_videos_as_they_are(counting_set, tmp_path):
    files, records, shards = packed(counting_set, tmp_path / "packed")
    assert_same_source(files, records)
    assert shards > 2
    assert records.listing.contents == tuple(map(content_key, files.listing.paths))
    assert records.listing.paths == ()
    videos = [records.records[i] for i in range(len(records.videos))]
    assert videos == [Path(path).read_bytes() for path in files.listing.paths]
    endings = ("array_record", "json")
    numbers = [f"videos-{i:05}-of-{shards:05}" for i in range(shards)]
    assert names(tmp_path / "packed") == [
        "index.json",
        *(f"{number}.{ending}" for number in numbers for ending in endings),
    ]


def test_validation_videos_and_groups_come_along(tmp_path):
    for number in range(24):
        folder = tmp_path / "videos" / ("fall", "rise")[number % 2] / "deep"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"v_x_g{number // 4:02}_c{number}.avi"
        write_video(path, counting_frames(8 + number))
    files, records, _ = packed(
        tmp_path / "videos", tmp_path / "packed", source="folder", validation="split"
    )
    assert_same_source(files, records)
    assert files.listing.validation_size and max(files.listing.groups) == 5


def test_folders_of_pictures_become_records(tmp_path):
    root = tmp_path / "frames"
    for number in range(6):
        folder = root / ("fall", "rise")[number % 2] / f"take{number}"
        write_pictures(folder, counting_frames(10 + number))
        write_pictures(folder, counting_frames(3), name="flow_{}.png")
    files, records, _ = packed(
        root, tmp_path / "packed", source="frames", frame_pattern="img_*"
    )
    assert_same_source(files, records)
    assert min(video.frames for video in records.videos) == 10


def test_bad_videos_are_packed_as_they_are(tmp_path):
    root = tmp_path / "videos"
    for number in range(12):
        path = root / ("fall", "rise")[number % 2] / f"take {number} é.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, counting_frames(8 + number))
    (root / "fall/empty.avi").touch()
    (root / "fall/text.avi").write_text("no video")
    (root / "rise/gone.avi").symlink_to("nowhere.avi")
    (root / "rise/zero.avi").symlink_to("/dev/zero")
    os.mkfifo(root / "fall/pipe.avi")
    odd = os.fsdecode(os.fsencode(root / "rise") + b"/odd\xff.avi")
    shutil.copy(root / "rise/take 1 é.avi", odd)
    files, records, _ = packed(
        root, tmp_path / "packed", source="folder", max_bad_fraction=0.5
    )
    assert_same_source(files, records)
    bad = {
        name: records.records[i]
        for i, name in enumerate(records.listing.names)
        if records.videos[i].reason
    }
    assert bad == {
        "fall/empty.avi": b"",
        "fall/text.avi": b"no video",
        "rise/gone.avi": b"",
        "rise/zero.avi": b"",
        "fall/pipe.avi": b"",
    }


def test_every_odd_video_is_read_from_its_record_as_from_its_file(shared, tmp_path):
    root = tmp_path / "videos"
    shutil.copytree(shared / "edge_videos", root / "edge")
    (root / "cases").mkdir()
    for name in CASES:
        shutil.copy(shared / "cases" / name, root / "cases")
    files, records, _ = packed(
        root,
        tmp_path / "packed",
        source="folder",
        validation="none",
        max_bad_fraction=0.9,
        test_fraction=0.5,
        validation_fraction=0.0,
    )
    assert files.videos == records.videos
    read = 0
    for video, found in enumerate(files.videos):
        if not found.reason:
            some = np.linspace(0, found.frames - 1, 8).astype(int)
            both = frames_of(files, video, some), frames_of(records, video, some)
            np.testing.assert_array_equal(*both)
            read += 1
    assert read > 2


def test_what_is_done_is_not_done_again(counting_set, tmp_path):
    root = shutil.copytree(counting_set, tmp_path / "videos")
    out = tmp_path / "packed"
    packed(root, out)
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    _, _, shards = packed(root, out)
    assert {p: p.stat().st_mtime_ns for p in out.iterdir() if p.name != ".lock"} == {
        p: t for p, t in before.items() if p.name != ".lock"
    }
    last = sorted((root / "UCF-101").rglob("*.avi"))[-1]
    write_video(last, counting_frames(30))
    files, records, _ = packed(root, out)
    assert_same_source(files, records)
    first, *_, other = sorted(out.glob("*.array_record"))
    assert first.stat().st_mtime_ns == before[first]
    assert other.stat().st_mtime_ns != before[other]


@pytest.mark.parametrize("ending", ["array_record", "json"])
def test_damaged_shards_are_written_anew(counting_set, tmp_path, ending):
    out = tmp_path / "packed"
    packed(counting_set, out)
    first, *_, last = sorted(out.glob(f"videos*.{ending}"))
    first.write_bytes(first.read_bytes()[:-50])
    last.write_bytes(first.read_bytes())
    files, records, _ = packed(counting_set, out)
    assert_same_source(files, records)


def test_a_folder_with_another_data_set_or_index_is_refused(counting_set, tmp_path):
    out = tmp_path / "packed"
    packed(counting_set, out)
    index = (out / "index.json").read_bytes()
    with pytest.raises(ConfigError, match="holds another data set"):
        videos = shutil.copytree(counting_set / "UCF-101", tmp_path / "videos")
        packed(videos, out, source="folder")
    assert (out / "index.json").read_bytes() == index
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/index.json").write_text('{"mine": true}')
    with pytest.raises(ConfigError, match="no index of a packed data set"):
        packed(counting_set, tmp_path / "mine")


def test_larger_shards_take_the_place_of_smaller_ones(counting_set, tmp_path):
    _, _, many = packed(counting_set, tmp_path / "packed")
    (tmp_path / "packed/notes.txt").write_text("mine")
    files, records, few = packed(counting_set, tmp_path / "packed", shard_bytes=10**9)
    assert (many > few, few) == (True, 1)
    assert_same_source(files, records)
    assert names(tmp_path / "packed") == [
        "index.json",
        "notes.txt",
        "videos-00000-of-00001.array_record",
        "videos-00000-of-00001.json",
    ]


def test_an_interrupted_packing_goes_on(counting_set, tmp_path, monkeypatch):
    out, coded, calls = tmp_path / "packed", shard.coded, []

    def interrupted(source, video):
        calls.append(video)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return coded(source, video)

    monkeypatch.setattr(shard, "coded", interrupted)
    with pytest.raises(KeyboardInterrupt):
        packed(counting_set, out, threads=1)
    done = set(out.glob("*.json"))
    assert done and out / "index.json" not in done
    assert not list(out.glob(".*.tmp"))
    with pytest.raises(DataError, match=r"has no index\.json"):
        check_root(Data(source="array_record", root=str(out)))
    before = {path: path.stat().st_mtime_ns for path in done}
    files, records, _ = packed(counting_set, out, threads=1)
    assert_same_source(files, records)
    assert before == {path: path.stat().st_mtime_ns for path in done}


def test_a_record_that_is_read_otherwise_is_refused(
    counting_set, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        shard, "coded", lambda source, _: Path(source.listing.paths[0]).read_bytes()
    )
    with pytest.raises(DataError, match="not read from a record|is missing"):
        packed(counting_set, tmp_path / "packed")
    assert not (tmp_path / "packed/index.json").exists()


def test_a_video_that_goes_away_meanwhile_is_named(counting_set, tmp_path):
    root = shutil.copytree(counting_set, tmp_path / "videos")
    data = Data(root=str(root))
    source = open_source(data)
    Path(source.listing.paths[3]).unlink()
    with pytest.raises(DataError, match=r"v_\w+\.avi"):
        pack(source, data, tmp_path / "packed", shard_bytes=10**9)


def test_a_folder_that_another_writes_or_nobody_can_is_refused(counting_set, tmp_path):
    with locked(tmp_path / "packed"), pytest.raises(LockedError):
        packed(counting_set, tmp_path / "packed")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        packed(counting_set, tmp_path / "file")


def test_a_full_disk_is_told(counting_set, tmp_path):
    data = Data(root=str(counting_set))
    source = open_source(data)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
        with pytest.raises(StorageError, match="array_record.*too large"):
            pack(source, data, tmp_path / "packed", shard_bytes=10**9)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(tmp_path / "packed") == []


def test_shards_are_filled_in_order(tmp_path):
    sizes = [30, 80, 10, 0, 250, 5]  # By hand: with 100 to a shard …
    paths = []
    for number, size in enumerate(sizes):
        paths.append(str(tmp_path / f"{number}"))
        Path(paths[-1]).write_bytes(bytes(size))
    (tmp_path / "3").unlink()  # What is gone has no size.
    train = [(path, 0, path) for path in paths]
    shards = plan(Listing.of_files(["a"], train, [], []), 100)
    # … the sums 30, 110, 120, 120, 370, 375 lie in the shards 0, 1, 1, 1, 3, 3.
    assert [part.tolist() for part in shards] == [[0], [1, 2, 3], [4, 5]]


def test_a_damaged_record_costs_its_video_only(counting_set, tmp_path):
    files, records, _ = packed(counting_set, tmp_path / "packed", shard_bytes=10**9)
    video = Path(files.listing.paths[2]).read_bytes()
    path = next((tmp_path / "packed").glob("*.array_record"))
    content = path.read_bytes()
    # Where blocks of the format interrupt a video, its bytes are not in one piece.
    middle = content.index(video[100:200])
    path.write_bytes(content[:middle] + bytes(100) + content[middle + 100 :])
    reader = records.records._readers[0]
    reader.close()
    records.records._readers[0] = ArrayRecordReader(str(path), options=OPTIONS)
    with pytest.raises(DecodeError, match="damaged record"):
        frames_of(records, 2)
    np.testing.assert_array_equal(frames_of(records, 9), frames_of(files, 9))
