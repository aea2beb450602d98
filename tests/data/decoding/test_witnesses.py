"""Both decoders, and what is read of a file, against the `ffmpeg` command."""

import gc
import shutil
import subprocess

import av
import numpy as np
import pytest

from data.decoding import pyav
from data.decoding.errors import DecodeError
from data.decoding.inspect import inspect_video
from data.decoding.opencv import open_video
from data.decoding.video import read_clip
from data.decoding.write import write_video
from data.scan import Video
from tests.data.containers import set_display_matrix

INTERLACED = ("-vf", "interlace=scan=tff", "-flags", "+ilme+ildct")
SOURCE = ("-f", "lavfi", "-i", "testsrc2=size=160x96:rate=50:duration=1.2")
# How a file is made -> the decoder that must read it, and frames.
FORMATS = {
    "plain.avi": (("-c:v", "mpeg4"), "opencv"),
    "plain.mp4": (("-c:v", "libx264"), "opencv"),
    "ten_bits.mp4": (("-c:v", "libx264", "-pix_fmt", "yuv420p10le"), "opencv"),
    "full_range.mp4": (("-c:v", "libx264", "-pix_fmt", "yuvj420p"), "opencv"),
    "hd_colours.mp4": (("-c:v", "libx264", "-colorspace", "bt709"), "opencv"),
    "rgb.mkv": (("-c:v", "ffv1", "-pix_fmt", "bgr0"), "opencv"),
    "packed.avi": (("-c:v", "rawvideo", "-pix_fmt", "yuyv422"), "opencv"),
    "grey.mkv": (("-c:v", "ffv1", "-pix_fmt", "gray"), "opencv"),
    "palette.gif": ((), "opencv"),
    "interlaced.avi": ((*INTERLACED, "-c:v", "mpeg4"), "pyav"),
    "interlaced.mpg": ((*INTERLACED, "-c:v", "mpeg2video"), "pyav"),
    "interlaced.mp4": ((*INTERLACED, "-c:v", "libx264", "-x264opts", "tff=1"), "pyav"),
    "interlaced.ts": ((*INTERLACED, "-c:v", "mpeg2video"), "pyav"),
    "mirrored.mp4": (("-c:v", "libx264"), "pyav"),
}
# Display matrices of mirrored and turned pictures, as (a, b, c, d).
MIRRORED = (-1, 0, 0, 1)
MATRICES = [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)]
MATRICES += [(0, b, c, 0) for b in (1, -1) for c in (1, -1)]


def ffmpeg(*arguments):
    command = ["ffmpeg", "-hide_banner", "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True).stdout


def player_frames(path, height, width, *options):
    """What the `ffmpeg` command shows: uint8 [frames, height, width, 3], RGB."""
    shown = ffmpeg(
        *(*options, "-i", path, "-vsync", "passthrough", "-sws_flags", "bicubic"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-"),
    )
    return np.frombuffer(shown, np.uint8).reshape(-1, height, width, 3)


def whole_frames(path, video):
    """All frames in their own size: uint8 [frames, size, size, 3], from the middle."""
    side = min(video.height, video.width)
    regions = [(0, 0, side, side)]
    out = np.zeros((1, video.frames, 3, side, side), np.uint8)
    frames = np.arange(video.frames)
    read_clip(path, video, frames=frames, regions=regions, size=side, out=out)
    return out[0].transpose(0, 2, 3, 1)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    if shutil.which("ffmpeg") is None:
        pytest.skip("written with ffmpeg")
    folder = tmp_path_factory.mktemp("formats")
    for name, (options, _) in FORMATS.items():
        ffmpeg(*SOURCE, *options, folder / name)
    set_display_matrix(folder / "mirrored.mp4", MIRRORED)
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_pixels_are_those_of_a_player(files, name):
    video = Video(**inspect_video(files / name))
    expected = player_frames(files / name, video.height, video.width)
    side = min(video.height, video.width)

    assert video.decoder == FORMATS[name][1]
    assert bool(video.note) == (video.decoder == "pyav")
    assert (video.frames, video.height, video.width) == expected.shape[:3]
    frames, expected = whole_frames(files / name, video), expected[:, :side, :side]
    for number, frame in enumerate(frames):
        # Interpolated colours differ a little, but another frame differs more.
        differences = np.abs(frame.astype(np.int16) - expected).mean(axis=(1, 2, 3))
        assert differences.argmin() == number and differences[number] < 8


@pytest.mark.parametrize("name", [n for n in FORMATS if FORMATS[n][1] == "pyav"])
def test_pyav_seeks_to_the_right_frames(files, name):
    path = files / name
    video = Video(**inspect_video(path))
    straight = list(pyav.read_frames(path, range(video.frames)))
    assert video.seek_exact and video.stamp_step > 0

    for number in range(video.frames):
        place = {"first_stamp": video.first_stamp, "stamp_step": video.stamp_step}
        [image] = pyav.read_frames(path, [number], **place)
        assert (image == straight[number]).all()


LONG = ("-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25:duration=12")
HARD_TO_SEEK = {
    # After a seek FFmpeg leaves out B-frames of interlaced MPEG-4.
    "b_frames.avi": ("-flags", "+ilme+ildct", "-c:v", "mpeg4", "-bf", "2"),
    "b_frames.mp4": ("-flags", "+ilme+ildct", "-c:v", "mpeg4", "-bf", "2", "-g", "24"),
    "b_frames.mkv": ("-flags", "+ilme+ildct", "-c:v", "mpeg4", "-bf", "2"),
    "open_gop.ts": ("-flags", "+ilme+ildct", "-c:v", "mpeg2video", "-bf", "2"),
    # Ten frames are missing near the end, so that later ones come too early.
    "late_gap.ts": ("-vf", "select=not(between(n\\,270\\,279))", *("-c:v", "libx264")),
    "late_gap.mkv": ("-vf", "select=not(between(n\\,270\\,279))", "-c:v", "libx264"),
    "lost_frame.avi": ("-vf", "select=not(eq(n\\,290))", "-c:v", "mpeg4"),
}


@pytest.mark.parametrize("name", HARD_TO_SEEK)
def test_no_seek_gives_another_frame(files, tmp_path, name):
    path = tmp_path / name
    ffmpeg(*LONG, *HARD_TO_SEEK[name], "-vsync", "passthrough", path)
    video = Video(**inspect_video(path))
    frames = whole_frames(path, video)
    numbers = np.random.default_rng(0).permutation(np.arange(1, video.frames))[:25]
    for number in (*numbers, video.frames - 1, video.frames - 5, 285):
        clip = np.zeros((1, 1, 3, 96, 96), np.uint8)
        regions = [(0, 0, 96, 96)]
        read_clip(path, video, frames=[number], regions=regions, size=96, out=clip)
        np.testing.assert_array_equal(clip[0, 0].transpose(1, 2, 0), frames[number])


@pytest.mark.parametrize("level", [1.0, 0.03], ids=["small object", "dark"])
def test_interlaced_video_in_which_little_can_be_seen(files, tmp_path, level):
    """OpenCV's black, or its repeated frame, then looks nearly right."""
    picture = np.full((1, 96, 160, 3), 100 * level, np.uint8)
    frames = picture.repeat(40, axis=0)
    for number, frame in enumerate(frames):
        frame[40:50, 2 * number : 2 * number + 10] = 220 * level
    write_video(tmp_path / "plain.avi", frames, codec="MJPG")
    for name, flags in (("a.ts", ()), ("b.ts", ("-flags", "+ilme+ildct"))):
        options = ("-c:v", "mpeg2video", "-q:v", "2", *flags)
        ffmpeg("-i", tmp_path / "plain.avi", *options, tmp_path / name)
    (tmp_path / "list").write_text("file a.ts\nfile b.ts\n")
    path = tmp_path / "both.ts"
    ffmpeg("-f", "concat", "-i", tmp_path / "list", "-c", "copy", path)
    video = Video(**inspect_video(path))

    assert video.decoder == "pyav" and "interlaced frames" in video.note
    expected = player_frames(path, 96, 160)[:, :, :96]
    found = whole_frames(path, video)
    assert np.abs(found.astype(np.int16) - expected).mean() < 3


def test_size_that_changes_is_brought_to_the_first_one(files, tmp_path):
    for name, width in (("a.ts", 160), ("b.ts", 192)):
        source = f"testsrc2=size={width}x96:rate=25:duration=3"
        options = ("-c:v", "mpeg2video", "-flags", "+ilme+ildct")
        ffmpeg("-f", "lavfi", "-i", source, *options, tmp_path / name)
    (tmp_path / "list").write_text("file a.ts\nfile b.ts\n")
    path = tmp_path / "both.ts"
    ffmpeg("-f", "concat", "-i", tmp_path / "list", "-c", "copy", path)
    video = Video(**inspect_video(path))

    for number in (10, video.frames - 8):
        clip = np.zeros((1, 1, 3, 32, 32), np.uint8)
        regions = [(0, 0, 96, 160)]
        read_clip(path, video, frames=[number], regions=regions, size=32, out=clip)
        assert clip.any()


PLAYLISTS = {
    "list.m3u8": "#EXTM3U\n#EXTINF:1\nplain.mp4\n#EXT-X-ENDLIST\n",
    "list.mp4": "ffconcat version 1.0\nfile plain.mp4\n",
    "list.sdp": "v=0\nc=IN IP4 127.0.0.1\nm=video 5000 RTP/AVP 96\n",
}


@pytest.mark.parametrize("name", [*PLAYLISTS, "picture%02d.png"])
def test_file_that_names_others_does_not_open_them(files, tmp_path, name):
    (tmp_path / "plain.mp4").write_bytes((files / "plain.mp4").read_bytes())
    ffmpeg("-i", files / "plain.mp4", "-frames:v", 3, tmp_path / "picture%02d.png")
    (tmp_path / name).write_text(PLAYLISTS.get(name, "x"))

    for function in (open_video, pyav.AvVideo, inspect_video):
        with pytest.raises(DecodeError, match="no video"):
            function(tmp_path / name)


def test_cover_picture_is_no_video(files, tmp_path):
    ffmpeg("-i", files / "plain.mp4", "-frames:v", 1, tmp_path / "cover.png")
    sound = ("-f", "lavfi", "-i", "sine=duration=1")
    cover = ("-i", tmp_path / "cover.png", "-map", "0", "-map", "1", "-c:v", "copy")
    options = ("-disposition:v:0", "attached_pic", tmp_path / "song.m4a")
    ffmpeg(*sound, *cover, *options)

    with pytest.raises(DecodeError, match="cover picture"):
        inspect_video(tmp_path / "song.m4a")


def test_file_that_becomes_interlaced_halfway_is_read_by_pyav(files, tmp_path):
    options = ("-c:v", "mpeg2video", "-r", "25")
    for name, flags in (("a.ts", ()), ("b.ts", ("-flags", "+ilme+ildct"))):
        ffmpeg(*SOURCE, *options, *flags, tmp_path / name)
    (tmp_path / "list").write_text("file a.ts\nfile b.ts\n")
    path = tmp_path / "both.ts"
    ffmpeg("-f", "concat", "-i", tmp_path / "list", "-c", "copy", path)
    video = Video(**inspect_video(path))

    assert "interlaced frames, as 3" in video.note  # the second part begins
    frames = whole_frames(path, video)
    expected = player_frames(path, 96, 160)[:, :, :96].astype(np.int16)
    assert len(frames) == len(expected) > 50
    assert np.abs(frames - expected).mean() < 8


@pytest.mark.parametrize("matrix", MATRICES)
def test_pictures_are_turned_and_mirrored_as_by_ffmpeg(files, tmp_path, matrix):
    path = tmp_path / "turned.mp4"
    path.write_bytes((files / "plain.mp4").read_bytes())
    set_display_matrix(path, matrix)
    video = Video(**inspect_video(path))
    expected = player_frames(path, video.height, video.width)
    side = min(video.height, video.width)

    difference = whole_frames(path, video).astype(int) - expected[:, :side, :side]
    assert np.abs(difference).mean() < 4


class Wrong:
    """An OpenCV that decodes a file to something else, without an error."""

    def __init__(self, path, change, frames):
        self.capture, self.change, self.frames = open_video(path), change, frames
        self.position, self.kept = -1, None

    def get(self, prop):
        return self.capture.get(prop)

    def set(self, prop, value):
        self.capture.set(prop, value)
        self.position = int(value) - 1

    def grab(self):
        self.position += 1
        return self.position < self.frames and self.capture.grab()

    def retrieve(self, image=None):
        decoded, image = self.capture.retrieve(image)
        if self.position >= 20:
            image = self.change(image, self.kept)
        else:
            self.kept = image.copy()
        return decoded, image

    def read(self):
        return self.retrieve() if self.grab() else (False, None)


def noise(image, last):
    return np.random.default_rng(0).integers(0, 255, image.shape, np.uint8)


def broken_corner(image, last):
    image[-image.shape[0] // 4 :, -image.shape[1] // 4 :] = 0
    return image


SILENT_FAULTS = {
    "noise": noise,
    "black": lambda image, last: np.zeros_like(image),
    "last good frame": lambda image, last: last.copy(),
    "broken corner": broken_corner,
    "red and blue exchanged": lambda image, last: image[..., ::-1].copy(),
    "upside down": lambda image, last: image[::-1].copy(),
}


@pytest.fixture
def scene(tmp_path):
    """A video of 40 frames in which bright patches on grey move to the right."""
    patches = np.random.default_rng(1).integers(60, 200, (1, 12, 16, 3), np.uint8)
    still = patches.repeat(8, axis=1).repeat(8, axis=2)
    frames = np.concatenate([np.roll(still, 3 * n, axis=2) for n in range(40)])
    write_video(tmp_path / "scene.avi", frames)
    return tmp_path / "scene.avi"


def deceive(monkeypatch, change=lambda image, last: image, frames=10**9):
    monkeypatch.setattr(
        "data.decoding.whole_files.open_video",
        lambda path: Wrong(path, change, frames),
    )


@pytest.mark.parametrize("change", SILENT_FAULTS.values(), ids=SILENT_FAULTS)
def test_decoder_that_goes_wrong_in_silence_is_found_out(scene, monkeypatch, change):
    honest = inspect_video(scene)
    deceive(monkeypatch, change)

    facts = inspect_video(scene)
    assert facts["decoder"] == "pyav"
    assert "other pixels" in facts["note"] or "repeats frame" in facts["note"]
    assert honest["decoder"] == "opencv" and facts["frames"] == honest["frames"] == 40


def test_decoder_that_ends_early_is_found_out(scene, monkeypatch):
    deceive(monkeypatch, frames=25)

    facts = inspect_video(scene)
    assert (facts["decoder"], facts["frames"]) == ("pyav", 40)
    assert "ends after 25 frames" in facts["note"]


def test_rounding_is_no_difference(scene, monkeypatch):
    deceive(monkeypatch, lambda image, last: np.minimum(image, 253) + np.uint8(2))

    assert inspect_video(scene)["decoder"] == "opencv"


def test_file_that_only_opencv_reads_says_that_nothing_confirms_it(scene, monkeypatch):
    def fail(self, path):
        raise DecodeError("holds no video that can be opened")

    monkeypatch.setattr(pyav.AvVideo, "__init__", fail)

    facts = inspect_video(scene)
    assert facts["decoder"] == "opencv" and "nothing confirms" in facts["note"]


def test_frames_of_a_long_video_do_not_pile_up(scene):
    alive = []

    def count():
        alive.append(sum(isinstance(item, av.VideoFrame) for item in gc.get_objects()))

    gc.collect()
    gc.disable()  # As between its rounds, which are rare.
    try:
        inspect_video(scene, alive=count)
    finally:
        gc.enable()
    assert len(alive) >= 40 and max(alive) <= 5


CASES = {  # file -> frames, shown height and width
    "int_mpeg4.avi": (75, 96, 160),
    "interlaced.mpg": (75, 96, 160),
    "cut_copy.mp4": (40, 96, 160),
    "gap.mp4": (129, 96, 160),
    "slides.mp4": (10, 96, 160),
    "mirror.mp4": (75, 96, 160),
    "sar.mp4": (75, 96, 205),
}


@pytest.mark.parametrize("name", CASES)
def test_files_that_once_failed_give_the_right_frames(shared, name):
    video = Video(**inspect_video(shared / "cases" / name))

    assert (video.frames, video.height, video.width) == CASES[name]
    out = np.zeros((1, video.frames, 3, 64, 64), np.uint8)
    whole = [(0, 0, video.height, video.width)]
    frames = np.arange(video.frames)
    path = shared / "cases" / name
    read_clip(path, video, frames=frames, regions=whole, size=64, out=out)
    assert 105 < out.mean() < 115


def test_mirrored_file_is_shown_mirrored(shared):
    path = shared / "cases" / "mirror.mp4"
    video = Video(**inspect_video(path))
    stored = player_frames(path, 96, 160, "-noautorotate")

    expected = stored[:, :, ::-1][:, :, :96].astype(int)
    assert np.abs(whole_frames(path, video) - expected).mean() < 4


def test_colon_in_a_name_is_no_address(files, tmp_path, monkeypatch):
    for name in ("http:x.avi", "b\udcff.avi"):
        (tmp_path / name).write_bytes((files / "plain.avi").read_bytes())
    monkeypatch.chdir(tmp_path)

    assert inspect_video("http:x.avi")["decoder"] == "opencv"
    assert inspect_video("b\udcff.avi")["decoder"] == "pyav"
