"""What the backward pass computes again instead of keeping it."""

import tensorflow as tf


def recomputed(function):
    """A function of which the backward pass computes all again (Chen et al. 2016).

    As `tf.recompute_grad`, which has the second computation wait for the gradient by
    its arguments alone: what depends on variables only, such as kernels times gains and
    biases gathered for all pairs of tokens, TensorFlow then computes for all blocks as
    soon as a step begins, and keeps till the backward pass comes to them. Here all of
    it waits.

    Args:
        function: of tensors, the first of which is floating; returns a tensor.

    Returns:
        The function.
    """

    @tf.custom_gradient
    def run(*args):
        def gradient(upstream, variables=()):
            with tf.GradientTape() as tape, tf.control_dependencies([upstream]):
                inputs = [again(args[0], upstream), *args[1:]]
                tape.watch(inputs)
                result = function(*inputs)
            gradients = tape.gradient(
                result,
                [*inputs, *variables],
                output_gradients=upstream,
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            return gradients[: len(inputs)], gradients[len(inputs) :]

        return function(*args), gradient

    return run


def again(x, gradient):
    """`x` to compute from once more, when `gradient` is there.

    A value depends on the gradient, as in `tf.recompute_grad`: XLA, which does not keep
    an order of operations, would merge the computation with that of the forward pass.
    """
    first = tf.reshape(gradient, [-1])[0]
    return x + tf.where(tf.math.is_nan(first), first, tf.zeros([], first.dtype))
