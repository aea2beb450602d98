"""Values of all replicas, those of other workers included, and of one alone."""

import tensorflow as tf

HALF = 2**16  # float32 holds no integer above 2^24 for certain; two halves are safe.


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


def sum_over_replicas(values):
    """Adds up what all replicas have, for a replica to call.

    TensorFlow packs what one call is given into one collective operation. Its own
    `all_reduce` would also make the sum differentiable, for which it searches the
    graphs of all replicas once for each of them.

    Args:
        values: a structure of tensors on the replica's device.

    Returns:
        The sums, in the same structure.
    """
    replica = tf.distribute.get_replica_context()
    if tf.__internal__.distribute.strategy_supports_no_merge_call():
        return replica.all_reduce("SUM", values)  # Each replica sees its graph only.
    sums = replica.merge_call(
        lambda strategy, *flat: strategy.extended.batch_reduce_to(
            "SUM", [(value, value) for value in flat]
        ),
        args=tf.nest.flatten(values),
    )
    return tf.nest.pack_sequence_as(values, sums)


def assign_own(variable, value):
    """Assigns to the copy of a variable that the calling replica has.

    `Variable.assign` would wait for all replicas, to make their values one. Here each
    must assign the same value.
    """
    tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value)


def placed(numbers):
    """A replica's integers at their place among those of all replicas, 0 elsewhere.

    The sum of what all replicas place is the concatenation of their integers. So they
    travel with what is summed anyway, and need no operation of their own.

    Args:
        numbers: int [b] in 0 … 2^39, with the same b on each replica.

    Returns:
        float32 [2, replicas * b] for `from_places`.
    """
    replica = tf.distribute.get_replica_context()
    halves = tf.cast(tf.stack([numbers // HALF, numbers % HALF]), tf.float32)
    place = tf.one_hot(replica.replica_id_in_sync_group, replica.num_replicas_in_sync)
    return tf.reshape(place[:, None] * halves[:, None], [2, -1])


def from_places(total):
    """The integers of all replicas, from the sum of what they have `placed`.

    Args:
        total: float32 [2, n].

    Returns:
        float64 [n], which holds them exactly.
    """
    high, low = tf.unstack(tf.cast(total, tf.float64))
    return high * HALF + low
