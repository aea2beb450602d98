"""Values of all replicas, those of other workers included."""

import tensorflow as tf


def concatenate(strategy, value):
    """Joins the values of all replicas, in the order of the replicas.

    Args:
        strategy: the `tf.distribute.Strategy` that has run what returned the value.
        value: per replica, [b, …] with the same b on each.

    Returns:
        [replicas * b, …], the same on every worker.
    """
    local = strategy.experimental_local_results(value)
    if len(local) == strategy.num_replicas_in_sync:
        return tf.concat(local, axis=0)
    if local[0].dtype == tf.int32:  # Which TensorFlow keeps off GPUs, and so off NCCL.
        wide = strategy.run(lambda part: tf.cast(part, tf.int64), args=(value,))
        return tf.cast(strategy.gather(wide, axis=0), tf.int32)
    return strategy.gather(value, axis=0)


def sum_over_workers(values):
    """Sums of what each worker tells, for a replica to compute.

    Args:
        values: dict of float32 scalars, the same on all replicas of a worker.

    Returns:
        The same names with the sums over the workers, on every replica.
    """
    replica = tf.distribute.get_replica_context()
    local = len(replica.strategy.extended.worker_devices)
    return {
        name: replica.all_reduce("SUM", tf.identity(value)) / local
        for name, value in values.items()
    }
