"""Long sums with a float32 accumulator, whatever the precision of what is summed.

TensorFlow's `BiasAddGrad` adds bfloat16 up in bfloat16, and `reduce_sum` and the
gradient of `gather` add up in the precision of their argument. Over the 50,176 rows
that one clip of 32 x 224 x 224 has in stage one, most of such a sum is lost: once it is
512 times as large as what comes next, a sum in bfloat16 does not change any more.
Matrix products accumulate in float32, or the gradients of kernels would be lost too.
"""

import tensorflow as tf


def add_bias(x, bias):
    """Adds a bias [C] to [rows, C]; its gradient is a sum over all rows."""

    @tf.custom_gradient
    def added(x, bias):
        def gradient(upstream):
            return upstream, sum_over_rows(upstream, bias.shape)

        return tf.nn.bias_add(x, bias), gradient

    return added(x, tf.convert_to_tensor(bias))


def sum_over_rows(x, shape):
    """Sums [..., *shape] over the first axes: [*shape], rounded once to `x`'s type.

    As a product with ones, like the gradient of a kernel: unlike `tf.reduce_sum` of a
    cast it makes no float32 copy of `x`, which may hold all scores of an attention, and
    in float32 it takes half the time.
    """
    rows = tf.reshape(x, [-1, shape.num_elements()])
    ones = tf.ones([1, tf.shape(rows)[0]], x.dtype)
    return tf.reshape(tf.matmul(ones, rows), shape)
