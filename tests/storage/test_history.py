"""Which epoch of a run is the best."""

import pytest

from storage.history import Epoch, best_step


def test_the_best_is_never_chosen_on_the_test_split():
    row = {"step": 4, "top1": 0.9}
    assert best_step([{**row, "validation": "test"}, {"step": 8}], {4, 8}) is None
    groups = [
        {"step": s, "validation": "groups", "top1": t} for s, t in ((1, 0.5), (2, 0.5))
    ]
    assert best_step(groups, {1, 2}) == 1
    assert best_step(groups, {2}) == 2  # The disk was full when the first ended.


def test_a_validation_that_measured_nothing_is_no_row():
    with pytest.raises(ValueError, match="groups must come with a top1"):
        Epoch(step=1, epoch=0, loss=1.0, accuracy=0.5, validation="groups")
