import numpy as np
import pytest

from data.sampling.crops import (
    ASPECT_RATIOS,
    CROP_DRAWS,
    centre_square,
    random_resized_crop,
    three_crop,
)
from data.sampling.draws import uniforms


def crops(height, width, area, number=2000):
    return np.array(
        [
            random_resized_crop(
                height, width, crop_area=area, draws=uniforms((0, 0), i, CROP_DRAWS)
            )
            for i in range(number)
        ]
    )


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
        *three_crop(height, width, 3),
    ]
    for top, left, crop_height, crop_width in regions:
        assert crop_height >= 1 and crop_width >= 1
        assert 0 <= top <= height - crop_height
        assert 0 <= left <= width - crop_width


def test_three_crops_cover_the_longer_side():
    assert three_crop(240, 320) == [
        (0, 0, 240, 240),
        (0, 40, 240, 240),
        (0, 80, 240, 240),
    ]
    assert three_crop(320, 240, 3)[2] == (80, 0, 240, 240)
    assert three_crop(240, 320, 1) == [(0, 40, 240, 240)]


def test_centre_square_is_the_official_fraction_of_the_short_side():
    assert centre_square(256, 341, 224 / 256) == (16, 58, 224, 224)
    assert centre_square(240, 320, 224 / 256) == (15, 55, 210, 210)


def test_squares_below_the_short_side_are_centred_on_it():
    """Of 240 x 320 pixels resized to 256 x 341, squares of 224: in the frame, 210."""
    side = [(15, left, 210, 210) for left in (0, 55, 110)]
    assert three_crop(240, 320, 3, 224 / 256) == side
    assert three_crop(320, 240, 3, 224 / 256) == [(x, y, h, w) for y, x, h, w in side]
    assert three_crop(240, 240, 3, 224 / 256)[1:] == [
        (15, x, 210, 210) for x in (15, 30)
    ]
    assert three_crop(240, 320, 1, 224 / 256) == [centre_square(240, 320, 224 / 256)]


@pytest.mark.parametrize("size", [(240, 320), (256, 340), (360, 640), (1080, 1920)])
@pytest.mark.parametrize("short", [224, 256, 320])
def test_a_square_is_where_resizing_first_and_cropping_then_finds_it(size, short):
    """Within the larger of two pixels: of the frame, and of the resized one."""
    height, width = size
    scale = short / height
    resized = int(short * width / height)  # as torchvision and mmaction2, but for 1
    expected = [(short - 224) / 2, (resized - 224) / 2]
    [(top, left, side, _)] = three_crop(height, width, 1, 224 / short)
    assert abs(side * scale - 224) <= max(scale, 1)
    for mine, theirs in zip((top, left), expected, strict=True):
        assert abs(mine * scale - theirs) <= max(scale, 1)
