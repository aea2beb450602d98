"""Steps and epochs of a stream without gaps."""

import pytest

from configs.schema.calendar import Calendar


@pytest.mark.parametrize("clips", [1, 7, 16, 37])
@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_an_epoch_ends_with_the_update_that_holds_its_last_clip(clips, batch_size):
    calendar = Calendar(clips, batch_size, epochs=5)
    for epoch in range(5):
        last = (epoch + 1) * clips - 1
        assert calendar.end(epoch) == last // batch_size + 1


def test_updates_know_the_epoch_of_their_first_clip():
    calendar = Calendar(clips=10, batch_size=4, epochs=2)
    assert [calendar.epoch_of(step) for step in range(1, 6)] == [0, 0, 0, 1, 1]
    assert calendar.steps == 5


def test_a_restart_begins_with_the_first_epoch_not_yet_over():
    calendar = Calendar(clips=8, batch_size=4, epochs=3)
    assert [calendar.first_epoch(step) for step in range(7)] == [0, 0, 0, 1, 1, 2, 2]


def test_every_so_manieth_epoch_ends_with_a_step():
    calendar = Calendar(clips=10, batch_size=4, epochs=5)
    assert calendar.ends(1) == {3, 5, 8, 10, 13}
    assert calendar.ends(2) == {5, 10}
    assert calendar.ends(5) == {13}
    assert calendar.ends(6) == calendar.ends(0) == set()


def test_durations_may_be_fractions_of_epochs():
    assert Calendar(clips=100, batch_size=8, epochs=3).steps_of(2.5) == 31
