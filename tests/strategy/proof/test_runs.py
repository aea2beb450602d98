"""Small runs that did not learn, or are not the same, are found."""

import numpy as np
import pytest

from strategy import check_input, check_run, compare_runs, tolerance
from strategy.proof.small_run import SmallRun

STEPS = 110


def run(name="a", *, losses=None, norms=None, seconds=0.1):
    losses = np.linspace(2, 0.1, STEPS) if losses is None else losses
    norms = np.linspace(3, 1, STEPS) if norms is None else norms
    return SmallRun(name, losses, norms, seconds)


def changed(values, step, value):
    values = values.copy()
    values[step - 1 :] = value
    return values


def test_a_run_that_learns_is_ok():
    finding = check_run(run("2 replicas"))
    assert finding.verdict == "ok"
    assert "110 steps of 100.0 ms, the loss goes from 1.9" in finding.text


@pytest.mark.parametrize("values", ["losses", "norms"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_the_step_that_is_not_finite_is_named(values, value):
    bad = run("2 replicas", **{values: changed(getattr(run(), values), 61, value)})
    finding = check_run(bad)
    assert finding.is_wrong and "not finite at step 61 of 110" in finding.text
    for pair in ((bad, run("b")), (run("b"), bad)):
        compared = compare_runs(*pair, limit=1)
        assert compared.is_wrong and "2 replicas is not finite" in compared.text


def test_a_loss_that_does_not_fall_is_wrong():
    assert check_run(run(losses=np.full(STEPS, 2.0))).is_wrong


def test_runs_within_the_limit_are_the_same():
    other = run("b", losses=run().losses * (1 + 1e-5), norms=run().norms * (1 - 1e-4))
    finding = compare_runs(run(), other, tolerance())
    assert finding.verdict == "ok" and "at most 1e-05" in finding.text


@pytest.mark.parametrize("values", ["losses", "norms"])
def test_runs_that_part_are_wrong_and_the_step_is_named(values):
    right = getattr(run(), values)
    other = run("b", **{values: changed(right, 90, right[-1] + 0.5)})
    finding = compare_runs(run(), other, tolerance())
    assert finding.is_wrong and "part at step 90" in finding.text


def test_a_gradient_of_the_wrong_scale_is_found_where_losses_hide_it():
    finding = compare_runs(run(), run("b", norms=run().norms / 2), tolerance())
    assert finding.is_wrong and "part at step 1." in finding.text


def test_rounding_is_allowed_in_mixed_precision_only():
    other = run("b", losses=run().losses + 0.01)
    assert compare_runs(run(), other, tolerance()).is_wrong
    assert not compare_runs(run(), other, tolerance("mixed_bfloat16")).is_wrong


@pytest.mark.parametrize(("rate", "verdict"), [(39, "WRONG"), (41, "ok")])
def test_decoding_must_be_as_fast_as_training(rate, verdict):
    planned = {"videos": "videos", "is_judged": True}
    finding = check_input(rate, run(seconds=0.1), 4, **planned)
    assert finding.verdict == verdict and "a step takes 40 clips/s" in finding.text


def test_made_up_videos_are_not_judged():
    finding = check_input(1, run(), 4, videos="synthetic", is_judged=False)
    assert finding.verdict == "note"
