"""A run ends once it has stopped getting better, by its rows alone."""

import pytest

from callbacks.patience import has_stopped_improving


def rows(*accuracies, validation="groups"):
    return [
        {"epoch": epoch, "validation": validation, "top1": top1}
        for epoch, top1 in enumerate(accuracies)
    ]


@pytest.mark.parametrize(
    ("patience", "accuracies", "last"),
    [
        (1, [0.1, 0.2, 0.2, 0.9], 2),  # As good is no better.
        (2, [0.5, 0.4, 0.6, 0.5, 0.6, 0.9], 4),
        (2, [0.5, 0.4, 0.6, 0.5, 0.7, 0.6], None),
        (3, [0.5, 0.4, 0.3, 0.2], 3),
        (9, [0.5] * 5, None),
        (0, [0.5] * 50, None),
    ],
)
def test_it_ends_with_the_first_epoch_so_long_after_the_best(
    patience, accuracies, last
):
    """Rows that come later, or not yet, change no decision."""
    history = rows(*accuracies)
    ends = [has_stopped_improving(history, e, patience) for e in range(len(accuracies))]
    assert (ends.index(True) if any(ends) else None) == last
    assert ends == [
        has_stopped_improving(history[: e + 1], e, patience)
        for e in range(len(accuracies))
    ]


def test_the_test_split_ends_no_run():
    assert not has_stopped_improving(rows(*[0.5] * 9, validation="test"), 8, 1)
    assert not has_stopped_improving([{"epoch": 0}, {"epoch": 1}], 1, 1)
