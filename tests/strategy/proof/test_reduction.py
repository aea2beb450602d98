"""Sums of known values: right ones are believed, wrong ones are found."""

import re

import numpy as np
import pytest
import tensorflow as tf

from configs.schema import Runtime
from strategy import check_reduction, create_strategy
from strategy.proof import reduction
from tests.strategy.proof.faults import (
    broken_strategy,
    halved,
    not_a_number,
    one_value_off,
)

BOTH = pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16], ids=str)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Sizes that take no time."""
    monkeypatch.setattr(reduction, "VALUES_BYTES", 2**12)
    monkeypatch.setattr(reduction, "TIMED_BYTES", 2**12)


@BOTH
@pytest.mark.parametrize("replicas", [2, 4])
def test_right_sums_are_ok_and_timed(dtype, replicas):
    finding = check_reduction(create_strategy(Runtime(replicas=replicas)), dtype)
    assert finding.verdict == "ok"
    assert f"over {replicas} replicas, every sum exact" in finding.text
    assert "GB/s" in finding.text


@BOTH
@pytest.mark.parametrize(
    ("fault", "mistakes"), [(halved, 0.99), (one_value_off, 1), (not_a_number, 1.0)]
)
def test_wrong_sums_are_found(dtype, fault, mistakes):
    finding = check_reduction(broken_strategy(fault), dtype)
    assert finding.is_wrong
    values = 2**12 // dtype.size
    shown = int(re.search(r"replicas, (\d+) sums are not", finding.text)[1])
    expected = mistakes if isinstance(mistakes, int) else mistakes * values
    assert 2 * expected <= shown <= 2 * values  # On both replicas.


def test_one_replica_has_nothing_to_add_up():
    finding = check_reduction(create_strategy(Runtime(replicas=1)), tf.float32)
    assert finding.verdict == "note"


@pytest.mark.parametrize("replicas", [1, 2, 3, 8, 64, 1000])
def test_every_partial_sum_is_exact_in_bfloat16(replicas):
    index = np.arange(5000)
    parts = [reduction.contribution(index, r, replicas) for r in range(replicas)]
    # The largest magnitude that any subset of the replicas can add up to.
    largest = np.sum(np.abs(parts), axis=0).max()
    integers = np.arange(-largest, largest + 1)
    assert largest <= 128
    rounded = tf.cast(tf.cast(integers, tf.bfloat16), tf.int64).numpy()
    np.testing.assert_array_equal(rounded, integers)


def test_every_replica_matters():
    replicas = 8
    parts = [reduction.contribution(np.arange(5000), r, replicas) for r in range(8)]
    for left_out in range(replicas):
        others = [part for r, part in enumerate(parts) if r != left_out]
        assert np.count_nonzero(sum(parts) != sum(others)) > 1000
    assert len({part.tobytes() for part in parts}) == replicas
