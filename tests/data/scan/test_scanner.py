import contextlib
import os
import re
import shutil
import subprocess
import wave
from dataclasses import replace

import numpy as np
import pytest

from data.decoding.errors import DecodeError
from data.decoding.video import read_clip
from data.scan import DecoderProcess, ScanCache, scan_videos
from data.scan.decoder_process import CRASH, SLOW
from tests.data.containers import avi, counting_pictures, jpeg

GOOD = avi(counting_pictures(40))


def wav(path):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    return path.read_bytes()


def loop(path):
    path.symlink_to(path)


def dangling(path):
    path.symlink_to(path.with_name("nowhere"))


BAD = {
    "zero bytes": (b"", "is empty"),
    "random bytes": (np.random.default_rng(0).bytes(20000), "no video"),
    "header only": (GOOD[:280], "no video|no frame"),
    "first tenth": (GOOD[: len(GOOD) // 10], "is cut off"),
    "first half": (GOOD[: len(GOOD) // 2], "is cut off: .* of 40 frames"),
    "sound only": (wav, "no video"),
    "no pictures in the frames": (avi([b"x" * 500] * 9), "no frame"),
    "pipe": (os.mkfifo, "is not a file"),
    "directory": (os.mkdir, "is not a file"),
    "loop of links": (loop, "Too many levels of symbolic links"),
    "link to nothing": (dangling, "No such file"),
}
WHOLE = {
    "all": (GOOD, (40, 24, 32)),
    "last hundredth missing": (GOOD[: -len(GOOD) // 100], (40, 24, 32)),
    "other sampling in mid-stream": (
        avi(counting_pictures(9) + counting_pictures(9, sampling="4:4:4")),
        (18, 24, 32),
    ),
    "other size in mid-stream": (
        avi(counting_pictures(9) + counting_pictures(9, width=64)),
        (18, 24, 32),
    ),
    "frames left out (variable rate)": (
        avi([jpeg(9), b"", b"", jpeg(50), b"", jpeg(90), jpeg(99)]),
        (4, 24, 32),
    ),
    "one frame": (avi([jpeg(100)]), (1, 24, 32)),
    "one pixel": (avi([jpeg(9, 1, 1)] * 5, width=1, height=1), (5, 1, 1)),
    "odd size": (avi([jpeg(9, 641, 479)] * 3, width=641, height=479), (3, 479, 641)),
    "huge": (avi([jpeg(9, 4096, 2160)] * 2, width=4096, height=2160), (2, 2160, 4096)),
    "fps 0": (avi(counting_pictures(40), fps=(0, 1)), (40, 24, 32)),
    "fps 0 / 0": (avi(counting_pictures(40), fps=(0, 0)), (40, 24, 32)),
    "header says less": (avi(counting_pictures(40), header_frames=9), (40, 24, 32)),
    "header says one more": (
        avi(counting_pictures(40), header_frames=41),
        (40, 24, 32),
    ),
    "header of another size": (avi(counting_pictures(9), width=8), (9, 24, 32)),
}


def write(path, content):
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        written = content(path)
        if isinstance(written, bytes):
            path.write_bytes(written)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Kind of file -> what the scan says."""
    folder = tmp_path_factory.mktemp("files")
    kinds = BAD | WHOLE
    paths = [folder / f"{number}.avi" for number in range(len(kinds))]
    for path, (content, _) in zip(paths, kinds.values(), strict=True):
        write(path, content)
    videos = scan_videos([str(path) for path in paths], cache=ScanCache(folder))
    return dict(zip(kinds, videos, strict=True))


@pytest.mark.parametrize("kind", BAD)
def test_bad_file_is_named_with_its_reason(verdicts, kind):
    assert re.search(BAD[kind][1], verdicts[kind].reason), verdicts[kind]
    assert verdicts[kind].frames == 0


@pytest.mark.parametrize("kind", WHOLE)
def test_good_file_tells_what_it_really_holds(verdicts, kind):
    video = verdicts[kind]

    assert not video.reason
    assert (video.frames, video.height, video.width) == WHOLE[kind][1]


def test_names_may_hold_anything_but_a_slash(tmp_path):
    names = [
        "two words.avi",
        "été 東京.avi",
        "line\nbreak.avi",
        "a..b.avi",
        "-x.mp4",
        "%s'\".avi",
    ]
    for name in names:
        (tmp_path / name).write_bytes(GOOD)

    cache = ScanCache(tmp_path)
    videos = scan_videos([str(tmp_path / name) for name in names], cache=cache)

    assert {video.frames for video in videos} == {40}
    again = ScanCache(tmp_path)
    assert all(again.get(tmp_path / name) for name in names)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_file_without_permission_is_named(tmp_path):
    (tmp_path / "x.avi").write_bytes(GOOD)
    (tmp_path / "x.avi").chmod(0)
    [video] = scan_videos([str(tmp_path / "x.avi")], cache=ScanCache(tmp_path))

    assert video.reason == "cannot be read: Permission denied"


def test_unchanged_files_are_not_decoded_again(tmp_path, monkeypatch):
    paths = [str(tmp_path / name) for name in ("good.avi", "bad.avi")]
    for path, content in zip(paths, (GOOD, GOOD[:300]), strict=True):
        with open(path, "wb") as file:
            file.write(content)
    scanned = []
    first = scan_videos(
        paths, cache=ScanCache(tmp_path), after_video=lambda: scanned.append(None)
    )
    assert len(scanned) == 2
    inspected = []
    inspect = DecoderProcess.inspect

    def count(self, path, **options):
        inspected.append(path)
        return inspect(self, path, **options)

    monkeypatch.setattr(DecoderProcess, "inspect", count)
    assert scan_videos(paths, cache=ScanCache(tmp_path)) == first
    assert not inspected

    with open(paths[1], "wb") as file:
        file.write(avi(counting_pictures(7)))
    second = scan_videos(paths, cache=ScanCache(tmp_path))
    assert inspected == paths[1:]
    assert second[0] == first[0] and second[1].frames == 7


@pytest.mark.parametrize("reason", [CRASH, f"{SLOW} 30 seconds"])
def test_what_a_busy_machine_may_have_caused_is_not_remembered(
    tmp_path, monkeypatch, reason
):
    path = tmp_path / "good.avi"
    path.write_bytes(GOOD)
    with monkeypatch.context() as context:
        context.setattr(DecoderProcess, "inspect", lambda *_, **__: {"reason": reason})
        [video] = scan_videos([str(path)], cache=ScanCache(tmp_path))
    assert video.reason == reason
    [video] = scan_videos([str(path)], cache=ScanCache(tmp_path))
    assert video.frames == 40


def test_interrupted_scan_keeps_what_it_found(tmp_path, monkeypatch):
    paths = [str(tmp_path / f"{number}.avi") for number in range(3)]
    for path in paths:
        with open(path, "wb") as file:
            file.write(GOOD)
    inspect = DecoderProcess.inspect

    def interrupt(self, path, **options):
        if path == paths[2]:
            raise KeyboardInterrupt
        return inspect(self, path, **options)

    monkeypatch.setattr(DecoderProcess, "inspect", interrupt)
    with pytest.raises(KeyboardInterrupt):
        scan_videos(paths, cache=ScanCache(tmp_path), processes=1)

    cache = ScanCache(tmp_path)
    assert cache.get(paths[0]).frames == cache.get(paths[1]).frames == 40
    assert cache.get(paths[2]) is None


FORMATS = {
    "b-frames.mp4": ["-c:v", "mpeg4", "-bf", "2"],
    "other.mov": ["-c:v", "mpeg4", "-g", "30"],
    "variable.mkv": [
        *("-vf", "select='lt(n,20)+not(mod(n,3))'", "-vsync", "vfr"),
        *("-c:v", "mpeg4"),
    ],
    "stream.ts": ["-c:v", "mpeg2video", "-bf", "2"],
    "program.mpg": ["-c:v", "mpeg2video", "-bf", "2"],
    "raw.mjpeg": ["-c:v", "mjpeg"],
    "wrong extension.avi": ["-c:v", "mpeg4", "-f", "mp4"],
}


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="written with ffmpeg")
@pytest.mark.parametrize("name", FORMATS)
def test_seek_is_used_only_where_it_gives_the_right_frames(tmp_path, name):
    (tmp_path / "source.avi").write_bytes(avi(counting_pictures(50)))
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", "source.avi", *FORMATS[name], name],
        cwd=tmp_path,
        check=True,
    )
    path = str(tmp_path / name)
    [video] = scan_videos([path], cache=ScanCache(tmp_path))
    right = []
    for frame in range(1, video.frames):
        sought, straight = np.zeros((2, 1, 1, 3, 8, 8), np.uint8)
        options = {"frames": np.array([frame]), "regions": [(0, 0, 24, 32)], "size": 8}
        for exact, out in ((False, straight), (True, sought)):
            with contextlib.suppress(DecodeError):
                read_clip(path, replace(video, seek_exact=exact), **options, out=out)
        right.append((sought == straight).all())

    assert video.frames in (30, 50)
    assert all(right) or not video.seek_exact
    # By its time stamps alone a file of variable rate is not trusted.
    assert video.seek_exact or not all(right) or name == "variable.mkv"
