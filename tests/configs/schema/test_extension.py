"""A run may be continued for longer where nothing so far would have been otherwise."""

import dataclasses

import pytest

from configs import schema
from configs.schema.extension import why_not_extended
from model.optimizer.schedule import create_schedule


def experiment(schedule, epochs=4):
    return schema.Experiment(
        epochs=epochs,
        data=schema.Data(batch_size=4),
        model=schema.Model(handle="x"),
        optimizer=schema.Optimizer(
            schedule=schedule, warmup_epochs=1.0, decay_epochs=1.2
        ),
    )


@pytest.mark.parametrize(
    ("schedule", "epochs", "step", "reason"),
    [
        ("cosine", 5, 0, "every learning rate of optimizer.schedule=cosine"),
        ("constant", 3, 0, "it may only grow"),
        ("constant", 5, 13, None),
        ("wsd", 3, 0, "it may only grow"),
        ("wsd", 5, 9, None),
        ("wsd", 5, 10, "began after step 9, and the newest checkpoint is of step 10"),
    ],
)
def test_why_a_run_cannot_be_extended(schedule, epochs, step, reason):
    """13 clips in batches of 4: 13 steps, of which the decay is the last 4."""
    said = why_not_extended(experiment(schedule), epochs, clips=13, step=step)
    assert (said is None) == (reason is None)
    assert reason is None or reason in said


@pytest.mark.parametrize("schedule", ["cosine", "constant", "wsd"])
@pytest.mark.parametrize("clips", [5, 13, 16])
def test_a_run_is_extended_only_where_its_learning_rates_would_be_the_same(
    schedule, clips
):
    short, long = experiment(schedule), experiment(schedule, epochs=7)

    def rates(config):
        calendar = schema.Calendar(clips, 4, config.epochs)
        rate = create_schedule(config.optimizer, **calendar.durations(config.optimizer))
        return [float(rate(step)) for step in range(schema.Calendar(clips, 4, 4).steps)]

    before, after = rates(short), rates(long)
    for step in range(len(before) + 1):
        may = why_not_extended(short, 7, clips=clips, step=step) is None
        # The rates of the updates that are done.
        assert not may or before[:step] == after[:step]


def test_the_decay_is_that_of_the_calendar():
    calendar = schema.Calendar(clips=13, batch_size=4, epochs=4)
    optimizer = experiment("wsd").optimizer
    assert calendar.durations(optimizer) == {
        "batch_size": 4,
        "steps": 13,
        "warmup_steps": 3,
        "decay_begin": 9,
    }
    none = dataclasses.replace(optimizer, warmup_epochs=None)
    assert calendar.durations(none)["warmup_steps"] == 8
