import numpy as np
import pytest

from data.augment import (
    ASPECT_RATIOS,
    CROP_DRAWS,
    centre_square,
    random_resized_crop,
    squares_along,
    uniforms,
)


def crops(height, width, area, number=2000):
    return np.array(
        [
            random_resized_crop(
                height, width, area=area, draws=uniforms((0, 0), i, CROP_DRAWS)
            )
            for i in range(number)
        ]
    )


def test_draws_are_a_pure_function_of_seed_and_position():
    late = uniforms((7, 1), 10**12, 5)
    uniforms((7, 1), 3, 100)

    np.testing.assert_array_equal(uniforms((7, 1), 10**12, 5), late)
    np.testing.assert_array_equal(uniforms((7, 1), 10**12, 3), late[:3])
    for other in (((8, 1), 10**12), ((7, 2), 10**12), ((7, 1), 10**12 + 1)):
        assert not np.intersect1d(uniforms(*other, 5), late).size


def test_draws_stay_the_same_between_versions():
    np.testing.assert_array_equal(
        uniforms((0, 0), 0, 2), [0.011546754286331562, 0.24154919656271812]
    )


def test_draws_are_uniform():
    draws = np.concatenate([uniforms((3, 0), i, 10) for i in range(2000)])

    assert 0 <= draws.min() and draws.max() < 1
    histogram, _ = np.histogram(draws, bins=20, range=(0, 1))
    assert abs(histogram - 1000).max() < 150


def test_crops_have_the_official_areas_and_shapes():
    top, left, height, width = crops(240, 320, (0.08, 1.0)).T

    assert top.min() == 0 and (top + height).max() == 240
    assert left.min() == 0 and (left + width).max() == 320
    areas, ratios = height * width / (240 * 320), width / height
    assert 0.075 < areas.min() < 0.1 and 0.85 < areas.max() <= 1
    assert ratios.min() > ASPECT_RATIOS[0] - 0.02
    assert ratios.max() < ASPECT_RATIOS[1] + 0.02


def test_crop_that_never_fits_falls_back_to_the_centre():
    regions = crops(100, 1000, (1.0, 1.0), number=20)

    assert (regions == (0, 450, 100, 100)).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (4, 2), (641, 479), (2160, 4096)])
def test_regions_lie_inside_frames_of_any_size(size):
    height, width = size
    regions = [
        *crops(height, width, (0.08, 1.0), number=50),
        centre_square(height, width, 224 / 256),
        *squares_along(height, width, 3),
    ]
    for top, left, crop_height, crop_width in regions:
        assert crop_height >= 1 and crop_width >= 1
        assert 0 <= top <= height - crop_height
        assert 0 <= left <= width - crop_width


def test_three_squares_cover_the_longer_side():
    assert squares_along(240, 320, 3) == [
        (0, 0, 240, 240),
        (0, 40, 240, 240),
        (0, 80, 240, 240),
    ]
    assert squares_along(320, 240, 3)[2] == (80, 0, 240, 240)
    assert squares_along(240, 320, 1) == [(0, 40, 240, 240)]


def test_centre_square_is_the_official_share_of_the_short_side():
    assert centre_square(256, 341, 224 / 256) == (16, 58, 224, 224)
    assert centre_square(240, 320, 224 / 256) == (15, 55, 210, 210)
