import shutil

import av
import numpy as np
import pytest

from configs.command.errors import DataError
from data.decoding.encode import small_size
from data.decoding.inspect import inspect_video
from data.decoding.video import read_clip
from data.decoding.write import write_video
from data.prepare.work import Settings, new_names, prepare, read_state
from data.scan import ScanCache, Video
from tests.data.samples import BRIGHTNESS, counting_frames

SETTINGS = Settings(short_side=16, key_frame_every=4, quality=12)


@pytest.fixture
def root(tmp_path):
    """Five grey videos of 24 x 32 and one bad one."""
    root = tmp_path / "videos"
    for name, frames in (("a/x", 20), ("a/y", 33), ("b/deep/x", 7), ("b/z", 1)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_video(root / f"{name}.avi", counting_frames(frames))
    shutil.copy(root / "a/x.avi", root / "b/x.mkv")
    (root / "b/bad.mov").write_bytes(b"no video")
    return root


def levels(path, video, frames):
    clip = np.empty([1, len(frames), 3, 16, 16], np.uint8)
    square = (0, (video.width - 16) // 2, 16, 16)
    read_clip(path, video, frames=frames, regions=[square], size=16, out=clip)
    return clip[0].mean(axis=(1, 2, 3))


def test_the_new_files_hold_the_same_frames_in_any_order(root, tmp_path):
    out = tmp_path / "out"
    prepared = prepare(str(root), out, SETTINGS, processes=1)
    assert {name: done.name for name, (_, _, done) in prepared.items()} == {
        "a/x.avi": "a/x.mp4",
        "a/y.avi": "a/y.mp4",
        "b/bad.mov": "b/bad.mov",
        "b/deep/x.avi": "b/deep/x.mp4",
        "b/x.mkv": "b/x.mp4",
        "b/z.avi": "b/z.mp4",
    }
    assert (out / "b/bad.mov").read_bytes() == b"no video"
    cache = ScanCache(out)
    for name, (path, video, done) in prepared.items():
        if done.reason:
            assert name == "b/bad.mov" and "holds no video" in done.reason
            continue
        new = cache.get(str(out / done.name))
        assert (new.height, new.width, new.frames) == (16, 20, video.frames)
        assert new.seek_exact or new.frames == 1
        assert new == Video(**inspect_video(out / done.name))
        frames = np.random.default_rng(0).permutation(video.frames)
        before = levels(path, video, frames)
        np.testing.assert_array_equal(np.rint(before / BRIGHTNESS), frames)
        after = levels(str(out / done.name), new, frames)
        # Less than half of the way to another frame's.
        np.testing.assert_allclose(after, before, atol=BRIGHTNESS / 2 - 0.1)
    assert not list(out.rglob("*.part"))


def test_what_is_done_stays_and_what_has_changed_is_done_anew(root, tmp_path):
    out = tmp_path / "out"
    prepare(str(root), out, SETTINGS, processes=1)
    first = {path: path.stat().st_mtime_ns for path in out.rglob("*.m*")}
    assert len(first) == 6

    def changed():
        now = {path: path.stat().st_mtime_ns for path in out.rglob("*.m*")}
        new = [path for path in now if now[path] != first.get(path)]
        return {path.relative_to(out).as_posix() for path in new}

    prepare(str(root), out, SETTINGS, processes=1)
    assert changed() == set()
    write_video(root / "a/y.avi", counting_frames(9))
    (out / "b/z.mp4").unlink()
    write_video(root / "a/new.avi", counting_frames(5))
    prepared = prepare(str(root), out, SETTINGS, processes=1)
    assert changed() == {"a/y.mp4", "b/z.mp4", "a/new.mp4"}
    assert read_state(out) == {name: done for name, (_, _, done) in prepared.items()}
    prepare(str(root), out, Settings(12, 4, 12), processes=1)
    assert changed() >= {"a/x.mp4", "b/x.mp4", "b/deep/x.mp4"}
    (out / "prepared.json").write_text("{")
    prepare(str(root), out, SETTINGS, processes=1)
    assert read_state(out).keys() == prepared.keys()


def test_an_interruption_leaves_what_was_done(root, tmp_path, monkeypatch):
    out, replies = tmp_path / "out", []

    def stop(jobs):
        for job in list(jobs)[:2]:
            job.result()
            replies.append(job)
            yield job
        raise KeyboardInterrupt

    monkeypatch.setattr("data.prepare.work.as_completed", stop)
    with pytest.raises(KeyboardInterrupt):
        prepare(str(root), out, SETTINGS, processes=1)
    monkeypatch.undo()
    assert len(read_state(out)) == len(replies) == 2
    kept = {n: (out / d.name).stat().st_mtime_ns for n, d in read_state(out).items()}
    prepare(str(root), out, SETTINGS, processes=1)
    done = read_state(out)
    assert len(done) == 6
    assert kept == {n: (out / done[n].name).stat().st_mtime_ns for n in kept}


def test_names_that_differ_in_their_endings_alone_stay_apart():
    bad = Video(reason="is empty")
    good = Video(frames=1, height=2, width=2, decoded_height=2, decoded_width=2)
    videos = {"a/x.avi": good, "a/X.mkv": good, "a/y.avi": good, "b/x.avi": bad}
    assert list(new_names(videos)) == [
        *("a/x.avi.mp4", "a/X.mkv.mp4", "a/y.mp4", "b/x.avi")
    ]


def test_no_new_name_is_that_of_another_video():
    good = Video(frames=1, height=2, width=2, decoded_height=2, decoded_width=2)
    for names in (
        ("a/s.avi", "a/s.avi.mp4", "a/s.mkv"),
        ("a/s.avi", "a/s.avi.MP4", "a/s.mkv", "a/s.avi.2.mkv"),
        ("a/X.MP4", "a/Y.MP4", "a/x.mp4", "a/y.avi"),
    ):
        new = list(new_names(dict.fromkeys(names, good)))
        assert len(set(map(str.lower, new))) == len(names)
        others = [{n.lower() for n in names if n != name} for name in names]
        assert not any(n.lower() in o for n, o in zip(new, others, strict=True))
    assert list(new_names({"a/X.MP4": good})) == ["a/X.mp4"]


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [
        ((1080, 1920), 256, (256, 454)),  # 455.1
        ((240, 320), 256, (240, 320)),
        ((301, 211), 256, (300, 210)),
        ((640, 360), 256, (454, 256)),
        ((2, 1000), 256, (2, 1000)),
    ],
)
def test_frames_become_small_and_even(size, short_side, expected):
    assert small_size(*size, short_side) == expected


def test_turned_wide_and_odd_frames_are_written_as_shown(shared, tmp_path):
    """By the sizes and pixels that the scan and the reader give the originals."""
    root = tmp_path / "videos"
    shutil.copytree(shared / "edge_videos", root, ignore=lambda *_: ["video_scan.json"])
    out = tmp_path / "out"
    prepared = prepare(str(root), out, Settings(96, 8, 12), processes=2)
    cache = ScanCache(out)
    assert len(prepared) > 5
    for path, video, done in prepared.values():
        assert not done.reason
        new = cache.get(str(out / done.name))
        assert (new.height, new.width) == small_size(video.height, video.width, 96)
        assert (new.height, new.width) == (new.decoded_height, new.decoded_width)
        frames = np.linspace(0, video.frames - 1, 5).astype(int)
        clips = []
        for source, facts in ((path, video), (str(out / done.name), new)):
            clip = np.empty([1, 5, 3, 48, 48], np.uint8)
            whole = (0, 0, facts.height, facts.width)
            read_clip(source, facts, frames=frames, regions=[whole], size=48, out=clip)
            # Means of 8 x 8 pixels: the two are made smaller in different ways.
            clips.append(clip.reshape(5, 3, 6, 8, 6, 8).mean(axis=(3, 5)))
        difference = np.abs(clips[0] - clips[1]).mean()
        assert difference < 3
        for turned in (clips[0][..., ::-1], clips[0][..., ::-1, :]):
            assert np.abs(turned - clips[1]).mean() > 2 * difference


def test_the_rate_is_kept_and_sound_left_out(tmp_path):
    (tmp_path / "videos").mkdir()
    frames = counting_frames(10)
    write_video(tmp_path / "videos/x.avi", frames, fps=30000 / 1001)
    prepare(str(tmp_path / "videos"), tmp_path / "out", SETTINGS, processes=1)
    with av.open(str(tmp_path / "out/x.mp4")) as container:
        (stream,) = container.streams
        assert float(stream.average_rate) == pytest.approx(29.97, abs=1e-3)
        assert stream.codec_context.name == "h264"
        assert not stream.codec_context.has_b_frames


def test_a_folder_without_videos_is_refused(tmp_path):
    with pytest.raises(DataError, match="VIDEOS must hold videos"):
        prepare(str(tmp_path), tmp_path / "out", SETTINGS)
