import json

import numpy as np

from benchmarks.input import bare_loop, contenders, customary, report
from data.sampling.plan import Plan


def test_bare_loop_reads_the_same_clips_as_the_pipeline(shared):
    found = contenders(str(shared / "ucf101_mini"), number=8)
    loop = found["bare loop"]
    [features, *_] = next(iter(found["pipeline"].dataset))

    for (path, plan), clip in zip(loop.requests, features["clip"], strict=True):
        bare_loop(path, plan, loop.out)
        expected = loop.out[..., ::-1] if plan.flip else loop.out
        np.testing.assert_array_equal(clip, expected)


def test_customary_recipe_gives_normalised_planes():
    frames = [np.full((240, 320, 3), (124, 116, 104), np.uint8)] * 4
    plan = Plan(frames=np.arange(4), regions=[(20, 30, 100, 120)])

    clip = customary(frames, plan, 224)

    assert clip.shape == (4, 3, 224, 224) and clip.dtype == np.float32
    assert abs(clip).max() < 0.01


def test_last_line_holds_the_ratios():
    per_core = {"pipeline": 60.0, "bare loop": 64.0, "decord recipe": 12.0}

    *table, last = report(per_core, {1: 50.0, 2: 95.0})

    assert json.loads(last) == {
        "of_bare_loop": 0.938,
        "of_decord_recipe": 5.0,
        "two_threads": 1.9,
        "clips_per_second_per_core": 60.0,
    }
    assert "decord recipe                   12.0         5.00x" in table
