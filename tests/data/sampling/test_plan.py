import dataclasses

import numpy as np
import pytest

from configs.command.errors import ConfigError
from configs.schema import Data, Views
from data.sampling.plan import require_rates, train_plan, validation_plan, view_plan
from data.scan import Video

DATA = Data(root="x", frames=8, frame_interval=2, size=16)
VIDEO = Video(frames=40, height=240, width=320, decoded_height=240, decoded_width=320)


def plans(data=DATA, video=VIDEO, number=300):
    return [train_plan(video, data, seed=3, position=i) for i in range(number)]


def test_plan_is_a_pure_function_of_seed_and_position():
    one, two = (train_plan(VIDEO, DATA, seed=3, position=10**12) for _ in range(2))

    for field in dataclasses.fields(one):
        np.testing.assert_array_equal(
            getattr(one, field.name), getattr(two, field.name)
        )
    other = train_plan(VIDEO, DATA, seed=4, position=10**12)
    assert other.regions != one.regions and (other.seed != one.seed).any()


def test_half_of_the_clips_are_mirrored_unless_the_config_says_none():
    fraction = np.mean([plan.flip for plan in plans()])

    assert 0.4 < fraction < 0.6
    assert not any(plan.flip for plan in plans(dataclasses.replace(DATA, flip=False)))


def test_crops_keep_to_the_configured_area():
    data = dataclasses.replace(DATA, crop_area=(0.5, 0.6))
    for [(_, _, height, width)] in (plan.regions for plan in plans(data)):
        assert 0.48 < height * width / (240 * 320) < 0.62


def test_starts_cover_the_video_and_change_with_the_position():
    starts = [plan.frames[0] for plan in plans()]

    assert set(starts) == set(range(40 - 16 + 1))


def test_other_decisions_stay_when_flip_or_shuffling_is_turned_off():
    changed = dataclasses.replace(DATA, flip=False, shuffle_frames=True)
    for plan, other in zip(plans(number=20), plans(changed, number=20), strict=True):
        assert plan.regions == other.regions
        np.testing.assert_array_equal(plan.frames, np.sort(other.frames))
        np.testing.assert_array_equal(plan.seed, other.seed)


def test_segments_reach_over_the_whole_video_and_change_nothing_else():
    """A run at an interval is the run it was before there were segments, too."""
    data = dataclasses.replace(DATA, frame_sampling="segments", frame_interval=9)
    frames = np.array([plan.frames for plan in plans(data)])
    assert (frames[:, 0].min(), frames[:, -1].max()) == (0, 39)
    assert (np.diff(frames) >= 0).all() and (frames[:, 0] <= 5).all()
    for plan, other in zip(plans(data, number=20), plans(number=20), strict=True):
        assert (plan.regions, plan.flip) == (other.regions, other.flip)
        np.testing.assert_array_equal(plan.seed, other.seed)
    shuffled = dataclasses.replace(data, shuffle_frames=True)
    for plan, other in zip(
        plans(data, number=20), plans(shuffled, number=20), strict=True
    ):
        np.testing.assert_array_equal(plan.frames, np.sort(other.frames))
        assert (plan.frames != other.frames).any()


def test_validation_and_a_single_view_are_the_middles_of_the_segments():
    data = dataclasses.replace(DATA, frame_sampling="segments", frames=4)
    video = dataclasses.replace(VIDEO, frames=17)
    for plan in (
        validation_plan(video, data, seed=0, position=5),
        view_plan(video, data, views=Views(clips=1, crops=3), seed=0, position=5),
    ):
        np.testing.assert_array_equal(plan.frames, [2, 6, 10, 14])
    views = Views(clips=2, crops=1)
    clips = [view_plan(video, data, views=views, seed=0, position=i) for i in (6, 7)]
    assert [c.frames.tolist() for c in clips] == [[1, 5, 9, 13], [3, 7, 11, 15]]


def test_training_at_an_interval_is_what_it_was():
    """Written down before there were segments, so that old runs go on as they began."""
    plan = train_plan(VIDEO, DATA, seed=3, position=10**6)
    shuffled = dataclasses.replace(DATA, shuffle_frames=True)
    other = train_plan(VIDEO, shuffled, seed=3, position=10**6)
    assert plan.frames.tolist() == [8, 10, 12, 14, 16, 18, 20, 22]
    assert other.frames.tolist() == [18, 14, 22, 8, 10, 12, 20, 16]
    assert (plan.regions, plan.flip) == ([(0, 4, 239, 316)], False)
    assert plan.seed.tolist() == [1109313359, 1403196775]


def test_model_seeds_are_distinct_and_not_negative():
    seeds = np.stack([plan.seed for plan in plans()])

    assert seeds.dtype == np.int32 and seeds.min() >= 0
    assert len(np.unique(seeds, axis=0)) == len(seeds)


@pytest.mark.parametrize("count", [1, 7, 15, 16, 17])
def test_short_videos_give_whole_clips(count):
    video = dataclasses.replace(VIDEO, frames=count)
    views = Views(clips=3, crops=3)
    made = [
        *plans(video=video, number=20),
        validation_plan(video, DATA, seed=0, position=0),
        *(view_plan(video, DATA, views=views, seed=0, position=i) for i in range(3)),
    ]
    for plan in made:
        assert len(plan.frames) == 8
        assert plan.frames.min() >= 0 and plan.frames.max() < count


def test_views_are_not_random():
    views = Views(clips=2, crops=3)
    one, two = (
        view_plan(VIDEO, DATA, views=views, seed=seed, position=1) for seed in (0, 1)
    )
    np.testing.assert_array_equal(one.frames, two.frames)
    assert one.regions == two.regions and len(one.regions) == 3
    assert not one.flip


@pytest.mark.parametrize(
    ("sampling", "frames"),
    [
        # 40 - 16 + 1 = 25 starts in two parts: the middles are 6.25 and 18.75.
        ("official", [range(6, 22, 2), range(18, 34, 2)]),
        # A clip reaches over 15 frames: from 0, and to the last.
        ("mmaction2", [range(0, 16, 2), range(25, 40, 2)]),
        # 24 frames of 15 a second, each 5/3 frames: the first eight and the last.
        (
            "torchvision",
            [[0, 1, 3, 5, 6, 8, 10, 11], [26, 28, 30, 31, 33, 35, 36, 38]],
        ),
    ],
)
def test_whose_rule_places_the_clips_of_a_test(sampling, frames):
    video = dataclasses.replace(VIDEO, fps=25.0)
    views = Views(clips=2, crops=1, sampling=sampling)
    for clip, expected in enumerate(frames):
        plan = view_plan(video, DATA, views=views, seed=0, position=6 + clip)
        assert plan.frames.tolist() == list(expected)
        validation = validation_plan(video, DATA, seed=0, position=0)
        assert validation.frames.tolist() == list(range(12, 28, 2))


def test_a_single_frame_is_placed_by_mmaction2_as_for_2d_models():
    data = dataclasses.replace(DATA, frames=1)
    views = Views(clips=4, sampling="mmaction2")
    found = [
        view_plan(VIDEO, data, views=views, seed=0, position=i).frames.tolist()
        for i in range(4)
    ]
    assert found == [[5], [15], [25], [35]]


@pytest.mark.parametrize("sampling", ["official", "mmaction2", "torchvision"])
@pytest.mark.parametrize("count", [1, 7, 15, 16, 17])
def test_short_videos_start_again_whoever_places_clips(sampling, count):
    video = dataclasses.replace(VIDEO, frames=count, fps=25.0)
    views = Views(clips=3, crops=3, sampling=sampling)
    for position in range(3):
        plan = view_plan(video, DATA, views=views, seed=0, position=position)
        assert len(plan.frames) == 8
        assert plan.frames.min() >= 0 and plan.frames.max() < count


def test_an_absurdly_low_rate_needs_no_memory():
    # As a damaged AVI says it: 20 frames in 1,300 years.
    video = dataclasses.replace(VIDEO, frames=20, fps=1 / (2**31 - 1))
    views = Views(clips=3, crops=1, sampling="torchvision")
    plans = [view_plan(video, DATA, views=views, seed=0, position=i) for i in range(3)]
    assert [set(plan.frames.tolist()) for plan in plans] == [{0}, {10}, {19}]


def test_the_short_side_says_how_much_of_a_frame_a_square_shows():
    for short, side in ((0, 240), (16, 240), (32, 120)):
        views = Views(clips=1, crops=1, short_side=short)
        [region] = view_plan(VIDEO, DATA, views=views, seed=0, position=0).regions
        assert region == ((240 - side) // 2, (320 - side) // 2, side, side)


def test_a_rate_is_asked_for_where_it_matters():
    known = dataclasses.replace(VIDEO, fps=25.0)
    bad = Video(reason="holds no video")
    views = Views(sampling="torchvision")
    require_rates([VIDEO, known], ["a", "b"], Views(sampling="mmaction2"))
    require_rates([known, bad], ["a", "b"], views)
    with pytest.raises(ConfigError, match=r"views\.sampling must be .* rate, as b;"):
        require_rates([known, VIDEO], ["a", "b"], views)
