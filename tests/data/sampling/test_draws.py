import numpy as np

from data.sampling.draws import uniforms


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
