"""Functions that replicas share: traced once, with variables of their own."""

import numpy as np
import pytest
import tensorflow as tf

from model.replicas import assign_own
from model.traced_once import traced_once
from tests.replicas import ancestors, mirrored

REPLICAS = 3


@pytest.fixture(scope="module")
def strategy():
    return mirrored(REPLICAS)


class Counted:
    """A function of a batch and a variable, which counts how often it is traced."""

    def __init__(self, strategy, **more):
        with strategy.scope():
            self.variable = tf.Variable([1.0, 2.0])
        self.more = more
        self.traces = 0
        self.shared = traced_once(self.function, lambda: [self.variable])

    def function(self, batch, factor):
        self.traces += 1
        [values] = batch.values()
        table = self.more.get("table")
        if table is not None:
            values += table.lookup(tf.constant(7))
        assign_own(self.variable, self.variable + factor)
        return {"sum": tf.reduce_sum(values) * self.variable, "size": tf.size(values)}


def on_replicas(strategy, call, *sizes):
    """What each replica gets for [size] of its own number plus 1."""

    @tf.function
    def step():
        def replica():
            number = tf.cast(
                tf.distribute.get_replica_context().replica_id_in_sync_group, tf.float32
            )
            return [call({"x": tf.fill([size], number + 1)}, number) for size in sizes]

        return strategy.run(replica)

    graph = step.get_concrete_function().graph
    found = tf.nest.map_structure(
        lambda value: [v.numpy() for v in strategy.experimental_local_results(value)],
        step(),
    )
    return found, graph


def test_each_replica_computes_with_its_own_variables(strategy):
    """Their copies differ after the first call, which no other test may rely on."""
    counted = Counted(strategy)
    (first, second), _ = on_replicas(strategy, counted.shared, 4, 4)
    assert counted.traces == 1
    for number in range(REPLICAS):
        weights = np.array([1.0, 2.0]) + number  # assigned before they are read
        total = 4 * (number + 1)
        np.testing.assert_array_equal(first["sum"][number], total * weights)
        np.testing.assert_array_equal(second["sum"][number], total * (weights + number))
        copy = strategy.experimental_local_results(counted.variable)[number]
        np.testing.assert_array_equal(copy.numpy(), weights + number)


def test_other_shapes_are_other_traces(strategy):
    counted = Counted(strategy)
    (first, second), _ = on_replicas(strategy, counted.shared, 4, 5)
    assert counted.traces == 2
    assert first["size"] == [4] * REPLICAS
    assert second["size"] == [5] * REPLICAS


def calls(graph):
    return [op for op in graph.get_operations() if op.type == "StatefulPartitionedCall"]


def test_no_replica_waits_for_another(strategy):
    """Which TensorFlow would have them do if they shared something that may change."""
    _, graph = on_replicas(strategy, Counted(strategy).shared, 4)
    found = calls(graph)
    assert len(found) == len({call.device for call in found}) == REPLICAS
    assert len({call.get_attr("f").name for call in found}) == 1
    for call in found:
        assert not ancestors(call) & set(found)


def test_what_shares_a_table_is_traced_for_each(strategy):
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer([7], [0.5]), 0.0
    )
    counted = Counted(strategy, table=table)
    [found], graph = on_replicas(strategy, counted.shared, 2)
    assert counted.traces == 1 + REPLICAS  # the first of them to see the table
    assert not calls(graph)
    for number in range(REPLICAS):
        weights = np.array([1.0, 2.0]) + number
        np.testing.assert_array_equal(
            found["sum"][number], 2 * (number + 1.5) * weights
        )


def test_options_of_the_optimizer_of_graphs_reach_the_trace(strategy):
    """They are how a Hub backbone computes in low precision, on CPUs that can."""
    rewrite = "auto_mixed_precision_onednn_bfloat16"
    values = tf.constant(np.random.default_rng(0).normal(size=[64, 64]), tf.float32)

    def product(*_):
        return tf.matmul(values, values) + 0

    tf.config.optimizer.set_experimental_options({rewrite: True})
    try:
        expected = tf.function(product)()
        [found], _ = on_replicas(strategy, traced_once(product, list), 1)
    finally:
        tf.config.optimizer.set_experimental_options({rewrite: False})
    for result in found:
        np.testing.assert_array_equal(result, expected)


def test_a_single_replica_computes_the_function_itself():
    strategy = mirrored(1)
    counted = Counted(strategy)
    [found], graph = on_replicas(strategy, counted.shared, 4)
    np.testing.assert_array_equal(found["sum"][0], [4.0, 8.0])
    assert counted.traces == 1
    assert not calls(graph)
