import dataclasses

import numpy as np
import pytest

from data.decoding.errors import DecodeError
from data.decoding.inspect import inspect_video
from data.decoding.video import read_clip
from data.decoding.write import write_video
from data.scan import Video
from tests.data.samples import counting_frames, decoded_numbers

WHOLE = (0, 0, 24, 32)
COUNTING = Video(frames=40, height=24, width=32, decoded_height=24, decoded_width=32)
SQUARE = {"height": 32, "decoded_height": 32}


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "count.avi"
    write_video(path, counting_frames(40))
    return path


def read(path, frames, regions=(WHOLE,), size=8, video=COUNTING, flip=False, **facts):
    out = np.full((len(regions), len(frames), 3, size, size), 77, np.uint8)
    read_clip(
        path,
        dataclasses.replace(video, **facts),
        frames=np.array(frames),
        regions=regions,
        size=size,
        flip=flip,
        out=out,
    )
    return out


@pytest.mark.parametrize(
    "facts",
    [
        {"seek_exact": True},
        {"seek_exact": False},
        {"decoder": "pyav"},
        {"decoder": "pyav", "stamp_step": 1.0},
    ],
)
@pytest.mark.parametrize(
    "frames", [[0, 1, 2], [17, 19, 21, 39], [39], [5, 3, 4, 3, 5, 30], [0, 0, 0]]
)
def test_frames_come_as_asked_for(video, frames, facts):
    clip = read(video, frames, **facts)

    np.testing.assert_array_equal(decoded_numbers(clip), [frames])


def test_planes_are_red_green_blue(tmp_path):
    colours = np.zeros((3, 32, 32, 3), np.uint8)
    colours[:] = (200, 100, 20)
    write_video(tmp_path / "colour.avi", colours)

    clip = read(tmp_path / "colour.avi", [1], regions=[(0, 0, 32, 32)], **SQUARE)

    assert abs(clip.mean(axis=(0, 1, 3, 4)) - (200, 100, 20)).max() < 6


def gradient(path):
    """A video whose brightness is the column times 4."""
    frames = np.broadcast_to((np.arange(32) * 4)[:, None], (4, 24, 32, 3))
    write_video(path, frames.astype(np.uint8))


def test_regions_are_cut_and_flipped(tmp_path):
    gradient(tmp_path / "ramp.avi")
    regions = [(0, 0, 24, 8), (0, 24, 24, 8)]

    plain = read(tmp_path / "ramp.avi", [2], regions=regions)[:, 0, 0]
    flipped = read(tmp_path / "ramp.avi", [2], regions=regions, flip=True)[:, 0, 0]

    expected = np.stack([np.arange(8), np.arange(24, 32)])[:, None] * 4.0
    assert abs(plain - expected).max() <= 4
    np.testing.assert_array_equal(flipped, plain[..., ::-1])


def test_missing_frame_and_changed_size_are_errors(video):
    with pytest.raises(DecodeError, match="frame 40 is missing"):
        read(video, [38, 40])
    with pytest.raises(DecodeError, match="frame 3 cannot be decoded as expected"):
        read(video, [3], width=30, decoded_width=30)
    with pytest.raises(DecodeError, match="no video that can be opened"):
        read(video.parent / "absent.avi", [0])


def test_region_is_cut_from_pixels_that_are_not_square(tmp_path):
    gradient(tmp_path / "ramp.avi")

    [clip] = read(tmp_path / "ramp.avi", [2], [(0, 32, 24, 32)], width=64)[:, 0, 0]

    # The right half of 64 columns as shown are the last 16 of the 32 in the file.
    expected = (np.arange(8) * 2 + 16.5) * 4
    assert abs(clip - expected).max() <= 4


REAL = {
    "v_YoYo_g11_c04.avi": (194, 240, 320),
    "v_biking_01_01.mpg": (151, 240, 320),
    "v_Archery_g08_c04.avi": (5, 4, 2),
    "hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi": (83, 240, 320),
    "(HQ)_Rock_Climbing_-_Free_Solo_Speed_Climb_-_Dan_Osman_climb_f_cm_np1_le_med_2.avi"
    "": (242, 240, 320),
    "mjpeg.avi": (55, 240, 320),
    "demo.mp4": (280, 256, 427),  # 340 pixels of 64 : 51
    "WUzgd7C1pWA.mp4": (327, 256, 340),
    "v_SoccerJuggling_g23_c01.avi": (240, 240, 320),
}


@pytest.mark.parametrize("name", REAL)
def test_real_awkward_videos_give_their_real_frames(shared, name):
    path = shared / "edge_videos" / name
    video = Video(**inspect_video(path))
    count, height, width = REAL[name]

    assert video.decoder == "opencv"
    assert (video.frames, video.height, video.width) == REAL[name]
    frames = [count - 1, count // 2, 1]
    regions = [(0, 0, height, width)]
    sought = read(path, frames, regions, video=video)
    straight = read(path, frames, regions, video=video, seek_exact=False)
    other = read(path, frames, regions, video=video, decoder="pyav")
    np.testing.assert_array_equal(sought, straight)
    np.testing.assert_array_equal(sought, other)
    with pytest.raises(DecodeError, match="is missing"):
        read(path, [count], regions, video=video, seek_exact=False)
