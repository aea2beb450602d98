"""Killed at random instants, a run ends as if nothing had happened.

`make chaos` kills 200 times in place of 12 and keeps the log.
"""

import os
import platform
import random
import signal

import pytest
import tensorflow as tf

from tests.chaos.runs import (
    SAVE_EVERY,
    VARIANTS,
    assert_undisturbed,
    last_saved,
    note,
    rows,
    wait_for_random_instant,
)

KILLS = int(os.environ.get("CHAOS_KILLS", "12"))  # In each variant one half.


@pytest.mark.parametrize("variant", VARIANTS)
def test_killed_at_random_instants(start, reference, tmp_path, variant):
    """While importing, compiling, stepping, saving, validating, evaluating.

    By SIGKILL as often as asked for, and now and then by SIGTERM besides.
    """
    undisturbed = reference(variant)
    cores = len(os.sched_getaffinity(0))
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__}
    wanted = KILLS // len(VARIANTS)
    note(variant=variant, wanted=wanted, cores=cores, **versions)
    generator = random.Random(variant)
    kills, finished, code = 0, 0, None
    while kills < wanted or code != 0:  # The last run ends in peace, and is compared.
        workdir = tmp_path / f"run-{finished}"
        before = rows(workdir)
        run = start(workdir, **VARIANTS[variant])
        number = generator.choices([signal.SIGKILL, signal.SIGTERM], [6, 1])[0]
        if kills < wanted:
            wait_for_random_instant(generator, workdir, before, [run])
            if run.alive:
                run.signal(number)
        code = run.wait()
        if code == 0:
            assert_undisturbed(workdir, undisturbed)
            finished += 1
            continue
        # SIGTERM has its usual effect until train.py has begun.
        assert code in (-number, 75 if number == signal.SIGTERM else -number)
        kills += number == signal.SIGKILL
        now, saved = rows(workdir), last_saved(workdir)
        note(variant=variant, run=finished, kill=kills, end=code, rows=now, saved=saved)
        if code == 75:  # Before the rows after a checkpoint were cut off, or after.
            assert now in (before, saved or 0), "a finished step was lost"
        if saved is not None:
            assert now - saved <= SAVE_EVERY
    note(variant=variant, kills=kills, finished=finished, divergences=0)
