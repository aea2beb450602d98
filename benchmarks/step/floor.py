"""Times of matrix products, each alone."""

import time

import tensorflow as tf

LEAST = 0.02  # seconds for which short products are repeated,
MOST = 20  # but no oftener


class Stopwatch:
    """Times products on numbers in a given precision.

    They are computed eagerly, so nothing leaves one out whose result nobody reads.
    """

    def __init__(self, products, dtype):
        """Computes each once.

        Args:
            products: of `benchmarks.step.products.Product`.
            dtype: of the operands.
        """
        shapes = dict.fromkeys(s for p in products for s in (p.left, p.right))
        self.operands = {s: tf.cast(tf.random.normal(s), dtype) for s in shapes}
        self.repeats = dict.fromkeys(products, 1)
        for product in self.repeats:
            self.seconds(product)  # The first call chooses a kernel.
            times = int(LEAST / self.seconds(product))
            self.repeats[product] = max(1, min(times, MOST))

    def seconds(self, product):
        """Of one computation."""
        left, right = self.operands[product.left], self.operands[product.right]
        tf.test.experimental.sync_devices()
        begin = time.perf_counter()
        for _ in range(self.repeats[product]):
            tf.matmul(
                left,
                right,
                transpose_a=product.transpose_left,
                transpose_b=product.transpose_right,
            )
        tf.test.experimental.sync_devices()
        return (time.perf_counter() - begin) / self.repeats[product]

    def turn(self):
        """Product -> seconds."""
        return {product: self.seconds(product) for product in self.repeats}
