import json

import numpy as np
import pytest

from benchmarks.precision import EARLY, WINDOW, averaged, distance, report


def test_noise_of_single_steps_is_averaged():
    steps = np.tile([0.5, 1.5], WINDOW)
    np.testing.assert_allclose(averaged([*steps, 9.0]), [1, 1])
    assert distance(steps, steps + 0.25) == pytest.approx(0.25)


def test_last_line_holds_the_distances():
    flat = np.ones(2 * EARLY)
    late = np.repeat([0.0, 1.0], EARLY)
    losses = {
        ("float32", 0): flat,
        ("float32", 1): flat + 0.5,
        ("float32", 2): flat + 0.7,
        ("mixed_bfloat16", 0): flat - 0.1 * late,
        ("mixed_float16", 0): flat + 0.01,
    }
    *curves, last = report(losses)
    assert len(curves) == 5 and "1.500 1.500" in curves[1]
    assert json.loads(last) == {
        "early": {"mixed_bfloat16": 0.0, "mixed_float16": 0.01, "seeds": 0.2},
        "all": {"mixed_bfloat16": 0.1, "mixed_float16": 0.01, "seeds": 0.2},
    }
