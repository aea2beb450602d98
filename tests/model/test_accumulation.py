"""Parts of a batch add up to the whole, in the memory of one part and the sums."""

import numpy as np
import pytest
import tensorflow as tf

from model.accumulation import accumulate

FORMS = {"sum": tf.TensorSpec([], tf.float32), "rows": tf.TensorSpec([3], tf.float64)}


@pytest.mark.parametrize("steps", [1, 2, 3, 6])
def test_sums_are_those_of_all_parts(steps):
    numbers = np.arange(18, dtype=np.float64).reshape(6, 3)
    sizes = []

    def function(part, factor):
        sizes.append(part["x"].shape[0])
        rows = tf.reduce_sum(part["x"] * factor[:, None], axis=0)
        return {"sum": tf.cast(tf.reduce_sum(rows), tf.float32), "rows": rows}

    batch = {"x": tf.constant(numbers)}, tf.range(6, dtype=tf.float64)
    sums = tf.function(lambda: accumulate(function, batch, steps, FORMS))()
    expected = numbers.T @ np.arange(6)
    assert sizes == [6 // steps]
    np.testing.assert_allclose(sums["rows"], expected)
    np.testing.assert_allclose(sums["sum"], expected.sum())


def test_memory_is_that_of_the_sums_and_few_results():
    size, count = 200_000, 40

    def results(part):
        """Each is computed after the one before, as gradients are."""
        made, number = [], tf.reduce_sum(part)
        for _ in range(count):
            made.append(tf.fill([size], number))
            number = tf.sqrt(made[-1])[0]
        return made

    @tf.function(autograph=False)
    def update(batch):
        forms = count * [tf.TensorSpec([size], tf.float32)]
        sums = accumulate(results, (batch,), 4, forms)
        return [tf.reduce_sum(each) for each in sums]

    batch, memory = tf.ones([4, 1]), tf.config.experimental.get_memory_info
    before, one = memory("CPU:0")["current"], 4 * size
    update(batch)
    assert memory("CPU:0")["current"] - before < one / 2  # Nothing stays.
    tf.config.experimental.reset_memory_stats("CPU:0")
    update(batch)
    assert memory("CPU:0")["peak"] - before < (count + 8) * one
