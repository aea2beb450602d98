"""Sums over all replicas whose right values are known, and how fast they are."""

import statistics
import time

import numpy as np
import tensorflow as tf

from configs.command.findings import note, ok, wrong

MIB = 2**20
VALUES_BYTES = 4 * MIB  # whose sums are compared
TIMED_BYTES = 32 * MIB  # of the order of a small model's gradients
CHAIN, REPEATS = 4, 3
ADVICE = (
    "No run on these replicas can be right. See which devices: run again with fewer "
    "(CUDA_VISIBLE_DEVICES, --runtime.replicas), and with NCCL_DEBUG=INFO, "
    "NCCL_P2P_DISABLE=1 or NCCL_IB_DISABLE=1 for the link."
)


def check_reduction(strategy, dtype):
    """Finds whether an all-reduce over all replicas gives the right sum, and its speed.

    Each value is contributed to by two replicas, the others add 0. All are integers
    below 128 in magnitude, and so is every sum of some of them: in any order of
    addition the sum is exact, in bfloat16 too, on any number of replicas.

    Args:
        strategy: a `tf.distribute.Strategy`; every worker must call this.
        dtype: `tf.float32` or `tf.bfloat16`.

    Returns:
        `Finding`.
    """
    replicas = strategy.num_replicas_in_sync
    count = VALUES_BYTES // dtype.size
    subject = f"all-reduce, {dtype.name}: {count} values over {replicas} replicas"
    if replicas == 1:
        return note(f"{subject}: nothing to add up, so nothing is checked.")
    mistakes = _mistakes(strategy, dtype, count)
    if mistakes:
        return wrong(f"{subject}, {mistakes} sums are not the exact ones.", ADVICE)
    seconds = _seconds(strategy, dtype)
    rate = TIMED_BYTES / seconds / 1e9
    # As NCCL's tests count it: what each link of a ring carries.
    link = rate * 2 * (replicas - 1) / replicas
    return ok(
        f"{subject}, every sum exact; {TIMED_BYTES // MIB} MiB take "
        f"{1000 * seconds:.1f} ms, bus bandwidth {link:.2f} GB/s."
    )


def contribution(index, replica, replicas):
    """What a replica adds to the values at some indices.

    Args:
        index: int [n], from 0 on.
        replica: integer.
        replicas: how many there are.
    """
    first = (index % 101 - 50) * (index % replicas == replica)
    second = (index % 103 - 51) * ((index + 1) % replicas == replica)
    return first + second


def _mistakes(strategy, dtype, count):
    """How many sums are not the right ones on some replica of this worker."""
    replicas = strategy.num_replicas_in_sync
    index = np.arange(count)
    expected = sum(contribution(index, r, replicas) for r in range(replicas))
    values = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(
            contribution(index, context.replica_id_in_sync_group, replicas), dtype
        )
    )

    sums = _reduced(strategy, values)
    return sum(
        np.count_nonzero(value.numpy().astype(np.float64) != expected)
        for value in strategy.experimental_local_results(sums)
    )


def _reduced(strategy, values):
    """The sums over all replicas of what each holds."""

    def add(value):
        value = tf.identity(value)  # On the replica's device; an argument is on none.
        return tf.distribute.get_replica_context().all_reduce("SUM", value)

    reduce = tf.function(
        lambda values: strategy.run(add, args=(values,)), autograph=False
    )
    return reduce(values)


def _seconds(strategy, dtype):
    """Median seconds of one all-reduce, out of several in a row."""
    count = TIMED_BYTES // dtype.size

    def add(value):
        value = tf.identity(value)
        for _ in range(CHAIN):
            value = tf.distribute.get_replica_context().all_reduce("SUM", value)
        return value[0]

    # An argument, not a constant, whose sum the graph could know.
    zeros = strategy.experimental_distribute_values_from_function(
        lambda _: tf.zeros([count], dtype)
    )
    reduce = tf.function(
        lambda zeros: strategy.run(add, args=(zeros,)), autograph=False
    )
    durations = []
    for _ in range(1 + REPEATS):
        begin = time.perf_counter()
        for value in strategy.experimental_local_results(reduce(zeros)):
            value.numpy()
        durations.append((time.perf_counter() - begin) / CHAIN)
    return statistics.median(durations[1:])
