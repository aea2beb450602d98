import numpy as np
import pytest

from data.sampling.frames import clip_frames, spread_starts, train_start


def official_train_offset(count, span, random_integer):
    """mmaction SampleFrames._get_train_clips for one clip."""
    average = (count - span + 1) // 1
    return random_integer(average) if average > 0 else 0


def official_test_offsets(count, span, clips):
    """mmaction SampleFrames._get_test_clips."""
    average = (count - span + 1) / float(clips)
    if count > span - 1:
        base = np.arange(clips) * average
        return (base + average / 2.0).astype(np.int64)
    return np.zeros(clips, np.int64)


@pytest.mark.parametrize("count", [1, 63, 64, 65, 70, 194, 1000])
def test_train_starts_are_the_official_ones(count):
    starts = {train_start(count, 64, draw) for draw in np.linspace(0, 0.9999, 5000)}

    official = {
        official_train_offset(count, 64, lambda end, i=i: i % end) for i in range(2000)
    }
    assert starts == official


@pytest.mark.parametrize("count", [1, 40, 63, 64, 65, 66, 67, 68, 101, 194, 999])
@pytest.mark.parametrize("clips", [1, 2, 4, 10])
def test_view_starts_are_the_official_ones(count, clips):
    np.testing.assert_array_equal(
        spread_starts(count, 64, clips), official_test_offsets(count, 64, clips)
    )


def test_long_video_gives_frames_inside_it():
    frames = clip_frames(30, frames=32, interval=2, count=94)

    np.testing.assert_array_equal(frames, 30 + 2 * np.arange(32))
    assert frames[-1] < 94


def test_short_video_loops():
    frames = clip_frames(0, frames=8, interval=2, count=5)

    np.testing.assert_array_equal(frames, [0, 2, 4, 1, 3, 0, 2, 4])


def test_single_frame_repeats():
    np.testing.assert_array_equal(
        clip_frames(0, frames=4, interval=3, count=1), [0, 0, 0, 0]
    )
