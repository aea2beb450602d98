import shutil
import subprocess

import av
import numpy as np
import pytest

from configs.command.errors import ConfigError
from data import DecodeError, write_annotated
from data.decoding.write import write_video
from tests.data.containers import set_display_matrix
from tests.data.samples import counting_frames


@pytest.fixture
def video(tmp_path):
    path = str(tmp_path / "video.avi")
    write_video(path, counting_frames(20, height=64, width=96), fps=12.5)
    return path


def frames_of(path):
    """uint8 [T, height, width, 3], by PyAV, and the rate."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        rate = float(stream.average_rate)
        pictures = [frame.to_ndarray(format="rgb24") for frame in file.decode(stream)]
    return np.stack(pictures), rate


def test_pictures_are_drawn_on_the_frames_they_are_for(video, tmp_path):
    asked = []

    def overlay(number, height, width):
        asked.append((number, height, width))
        red = np.zeros([32, 48, 4], np.uint8)
        red[..., 0] = 240
        red[:, :24, 3] = 255  # the left half covers, the right half is clear
        return red

    write_annotated(video, tmp_path / "out.mp4", overlay)
    frames, rate = frames_of(tmp_path / "out.mp4")
    assert asked == [(n, 64, 96) for n in range(20)]
    assert frames.shape == (20, 64, 96, 3) and rate == 12.5
    inner = frames[:, 8:24, 4:16].mean(axis=(1, 2))
    np.testing.assert_allclose(inner, np.tile([240, 0, 0], [20, 1]), atol=8)
    levels = 5 * np.arange(20)
    for part in (frames[:, 8:24, 30:44], frames[:, 40:, :]):
        grey = part.mean(axis=(1, 2, 3))
        np.testing.assert_allclose(grey, levels, atol=4)


def test_a_picture_that_is_too_large_is_cut(video, tmp_path):
    white = np.full([500, 500, 4], 255, np.uint8)
    write_annotated(video, tmp_path / "out.mp4", lambda *_: white)
    frames, _ = frames_of(tmp_path / "out.mp4")
    assert frames.min() > 245


def test_nothing_is_overwritten_and_nothing_half_written(video, tmp_path):
    (tmp_path / "mine.mp4").write_text("mine")
    with pytest.raises(ConfigError, match="mine.mp4"):
        write_annotated(video, tmp_path / "mine.mp4", None)
    (tmp_path / "bad.avi").write_text("no video")
    with pytest.raises(DecodeError):
        write_annotated(str(tmp_path / "bad.avi"), tmp_path / "out.mp4", None)
    with pytest.raises(ZeroDivisionError):
        write_annotated(video, tmp_path / "out.mp4", lambda *_: 1 / 0)
    there = sorted(path.name for path in tmp_path.iterdir())
    assert there == ["bad.avi", "mine.mp4", "video.avi"]


def test_frames_are_as_they_are_shown(tmp_path):
    """Turned by a quarter, and of odd height: read as a model reads them."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("written with ffmpeg")
    turned = tmp_path / "turned.mp4"
    source = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=1"]
    subprocess.run(["ffmpeg", "-v", "error", *source, turned], check=True)
    set_display_matrix(turned, (0, 1, -1, 0))
    clear = np.zeros([1, 1, 4], np.uint8)
    write_annotated(str(turned), tmp_path / "out.mp4", lambda *_: clear)
    frames, _ = frames_of(tmp_path / "out.mp4")
    assert frames.shape == (10, 64, 48, 3)
