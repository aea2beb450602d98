import numpy as np
import pytest

from data.sampling.draws import uniforms
from data.sampling.frames import (
    clip_frames,
    end_to_end_starts,
    first_to_last_starts,
    random_segment_frames,
    resampled_count,
    resampled_frames,
    sliding_starts,
    spread_segment_frames,
    spread_starts,
    train_start,
)


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


# Worked by hand from the official code: SampleFrames.get_seq_frames of
# mmaction/datasets/pipelines/loading.py, where segment i of `frames` begins at
# round((count - 1) / frames * i) and ends at that of i + 1, both included, and halves
# are rounded to the even number. Training draws one of its frames, a test takes
# (start + end) // 2.
#
#   count  frames  (count - 1) / frames * i      round
#      17       4  0   4     8    12    16       0  4  8  12  16
#      12       4  0   2.75  5.5   8.25 11       0  3  6   8  11
#      11       4  0   2.5   5     7.5  10       0  2  5   8  10
#       7       4  0   1.5   3     4.5   6       0  2  3   4   6
#       4       4  0   0.75  1.5   2.25  3       0  1  2   2   3
#       3       4  0   0.5   1     1.5   2       0  0  1   2   2
#       1       4  0   0     0     0     0       0  0  0   0   0
#      64       3  0  21    42    63             0 21 42  63
SEGMENTS = [
    (17, [(0, 4), (4, 8), (8, 12), (12, 16)], [2, 6, 10, 14]),
    (12, [(0, 3), (3, 6), (6, 8), (8, 11)], [1, 4, 7, 9]),
    (11, [(0, 2), (2, 5), (5, 8), (8, 10)], [1, 3, 6, 9]),
    (7, [(0, 2), (2, 3), (3, 4), (4, 6)], [1, 2, 3, 5]),
    (4, [(0, 1), (1, 2), (2, 2), (2, 3)], [0, 1, 2, 2]),
    (3, [(0, 0), (0, 1), (1, 2), (2, 2)], [0, 0, 1, 2]),
    (1, [(0, 0), (0, 0), (0, 0), (0, 0)], [0, 0, 0, 0]),
    (64, [(0, 21), (21, 42), (42, 63)], [10, 31, 52]),
]


@pytest.mark.parametrize(("count", "segments", "middles"), SEGMENTS)
def test_training_frames_are_any_of_the_official_segments(count, segments, middles):
    frames = len(segments)
    drawn = [
        random_segment_frames(count, uniforms((0, 0), i, frames)) for i in range(999)
    ]
    for (first, last), seen in zip(segments, np.array(drawn).T, strict=True):
        assert set(seen) == set(range(first, last + 1))
    first, last = np.array(segments).T
    np.testing.assert_array_equal(random_segment_frames(count, np.zeros(frames)), first)
    most = np.full(frames, 1 - 2.0**-53)
    np.testing.assert_array_equal(random_segment_frames(count, most), last)


@pytest.mark.parametrize(("count", "segments", "middles"), SEGMENTS)
def test_test_frames_are_the_official_middles(count, segments, middles):
    frames = spread_segment_frames(count, len(segments), 0, 1)
    np.testing.assert_array_equal(frames, middles)


def test_several_clips_of_segments_are_at_different_places():
    clips = [spread_segment_frames(41, 4, clip, 5).tolist() for clip in range(5)]
    assert clips == [[1 + 2 * k + 10 * i for i in range(4)] for k in range(5)]
    middle = spread_segment_frames(41, 4, 0, 1).tolist()
    assert clips[2] == middle == [5, 15, 25, 35]


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 64, 1000, 10**6 + 1])
def test_segments_cover_the_video_and_keep_its_order(count):
    first = random_segment_frames(count, np.zeros(32))
    last = random_segment_frames(count, np.full(32, 1 - 2.0**-53))
    assert (first[0], last[-1]) == (0, count - 1)
    np.testing.assert_array_equal(last[:-1], first[1:])
    for frames in (first, last, spread_segment_frames(count, 32, 1, 3)):
        assert (np.diff(frames) >= 0).all()


@pytest.mark.parametrize(
    ("count", "span", "stride", "starts"),
    [  # By hand.
        (10, 4, 3, [0, 3, 6]),  # 0-3, 3-6, 6-9: ends with the video.
        (11, 4, 3, [0, 3, 6, 7]),  # The last one ends with the video.
        (9, 4, 5, [0, 5]),
        (9, 4, 99, [0, 5]),
        (4, 4, 1, [0]),
        (3, 4, 1, [0]),
        (1, 1, 1, [0]),
        (3, 1, 1, [0, 1, 2]),
    ],
)
def test_sliding_clips_show_the_whole_video(count, span, stride, starts):
    found = sliding_starts(count, span, stride)
    assert found.tolist() == starts


# Worked by hand from mmaction2 1.2.0, SampleFrames._get_test_clips of
# mmaction/datasets/transforms/loading.py: with m = count - reach, not below 0, clip i
# starts at i * m / (clips - 1), rounded, halves to the even number; a single one at
# m // 2, rounded down. (The class itself gave the same of 700 other cases.)
MMACTION2 = [
    (194, 63, 4, [0, 44, 87, 131]),  # m = 131: 43.67, 87.33
    (194, 63, 1, [65]),
    (100, 63, 10, [0, 4, 8, 12, 16, 21, 25, 29, 33, 37]),
    (66, 63, 3, [0, 2, 3]),  # 1.5 becomes 2,
    (64, 63, 3, [0, 0, 1]),  # and 0.5 becomes 0.
    (63, 63, 4, [0, 0, 0, 0]),
    (9, 63, 2, [0, 0]),
]


@pytest.mark.parametrize(("count", "reach", "clips", "starts"), MMACTION2)
def test_view_starts_of_mmaction2(count, reach, clips, starts):
    assert end_to_end_starts(count, reach, clips).tolist() == starts


# Worked by hand from torchvision 0.28: VideoClips._resample_video_idx keeps
# int(count * 15 / fps) frames, frame k being floor(k * fps / 15); where the quotient is
# whole, every so many. UniformClipSampler takes of the n clips that these frames make
# floor(linspace(0, n - 1)). (Both gave the same of 2070 other cases.)
@pytest.mark.parametrize(
    ("count", "fps", "frames"),
    [
        (10, 25.0, [0, 1, 3, 5, 6, 8]),  # 0, 1.67, 3.33, 5, 6.67, 8.33
        (7, 30.0, [0, 2, 4, 6]),
        (10, 29.97, [0, 1, 3, 5, 7]),  # 1.998 k: 1.998, 3.996, 5.994, 7.992
        (4, 10.0, [0, 0, 1, 2, 2, 3]),  # 0, 0.67, 1.33, 2, 2.67, 3.33
        (3, 15.0, [0, 1, 2]),
        (9, 60.0, [0, 4, 8]),
        (3, 100.0, [0]),  # There are no clips of it in torchvision.
    ],
)
def test_frames_resampled_as_by_torchvision(count, fps, frames):
    assert resampled_count(count, fps, 15) == len(frames)
    numbers = np.arange(len(frames))
    assert resampled_frames(numbers, count, fps, 15).tolist() == frames


@pytest.mark.parametrize("fps", [0.5, 7.0, 23.976, 25.0, 30000 / 1001, 59.94, 1000.0])
@pytest.mark.parametrize("count", [1, 2, 33, 10**5 + 7])
def test_resampled_frames_are_of_the_video_and_in_order(fps, count):
    numbers = np.arange(resampled_count(count, fps, 15))
    frames = resampled_frames(numbers, count, fps, 15)
    assert frames[0] == 0 and frames.max() < count and (np.diff(frames) >= 0).all()


@pytest.mark.parametrize(
    ("count", "frames", "clips", "starts"),
    [
        (20, 8, 4, [0, 4, 8, 12]),
        (20, 8, 6, [0, 2, 4, 7, 9, 12]),  # 2.4 i
        (20, 8, 1, [0]),
        (8, 8, 3, [0, 0, 0]),
        (5, 8, 2, [0, 0]),
    ],
)
def test_view_starts_of_torchvision(count, frames, clips, starts):
    assert first_to_last_starts(count, frames, clips).tolist() == starts
