"""Killed at each point of a save and of the end, a run ends as if it had not been.

And where a fault is planted, the comparison of runs notices.
"""

import signal

import pytest

from tests.chaos.runs import (
    assert_undisturbed,
    differences,
    finish,
    last_saved,
    note,
    rows,
)

AT = (
    ("save begins", 2),
    ("variables written", 2),
    ("file synced", 9),
    ("sealed", 2),
    ("renamed", 4),
    ("restoring", 1),
    ("rewound", 2),
    ("old one renamed", 2),
    ("save ended", 2),
    ("epoch written", 2),
    ("validation or evaluation", 2),
    ("reported", 1),
    ("finished", 1),
)


def test_killed_at_each_point_of_a_save_and_of_the_end(start, undisturbed, tmp_path):
    """One run, killed at each of the points in turn."""
    workdir = tmp_path / "run"
    for point, count in AT:
        code = start(workdir, [[point, count, "kill"]]).wait()
        assert code == -signal.SIGKILL, point
        note(point=point, end=code, rows=rows(workdir), saved=last_saved(workdir))
    finish(start, workdir)
    assert_undisturbed(workdir, undisturbed)


@pytest.mark.parametrize(
    "sabotage", ["stock dropout", "stream not moved on", "iterations not restored"]
)
def test_the_comparison_would_notice(start, tmp_path, sabotage):
    """Negative controls: with a fault planted, interrupting must make a difference."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert start(whole, sabotage=sabotage).wait() == 0
    start(parts, [["save ended", 4, "kill"]], sabotage).wait()
    assert start(parts, sabotage=sabotage).wait() == 0
    assert "journal.jsonl" in differences(parts, whole)
