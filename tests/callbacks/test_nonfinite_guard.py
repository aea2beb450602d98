"""Updates that are not finite end a run once there are too many in a row."""

import types

import numpy as np
import pytest

from callbacks.nonfinite_guard import NonFiniteGuard
from configs.command.errors import NumericsError
from tests.callbacks.logs import LOGS


def guard(limit, rows=()):
    store = types.SimpleNamespace(steps=lambda: [8, 4], folder="checkpoints/{}".format)
    return NonFiniteGuard(limit=limit, rows=rows, step=8, store=store)


BAD = {**LOGS, "loss": np.float32("nan")}
WORSE = {**LOGS, "gradient_norm": np.float32("inf")}


def test_accidents_are_forgiven_but_not_in_a_row():
    numerics = guard(limit=3)
    for logs in (BAD, WORSE, LOGS, BAD, BAD):
        numerics.on_train_batch_end(0, logs)
    with pytest.raises(
        NumericsError, match="3 updates.*step 14.*checkpoints/8"
    ) as caught:
        numerics.on_train_batch_end(0, WORSE)
    assert caught.value.exit_code == 5


def test_a_restart_goes_on_counting():
    numerics = guard(limit=3, rows=[LOGS, BAD, BAD])
    with pytest.raises(NumericsError):
        numerics.on_train_batch_end(0, BAD)
