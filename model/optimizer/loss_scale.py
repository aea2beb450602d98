"""The factor of the loss that keeps float16 gradients from becoming zero.

And the update by the gradients of a loss with that factor, if they are finite.
"""

import tensorflow as tf

from model.replicas import assign_own

INITIAL = 2.0**15
GROWTH_STEPS = 2000


class LossScale(tf.Module):
    """A loss scale, by the rule of Keras's `LossScaleOptimizer` and with its defaults.

    Dynamic loss scaling (Micikevicius et al. 2018, section 3.2): halved after gradients
    that are not finite, down to 1; doubled after 2000 updates in a row with finite
    ones. Powers of two only, so that scaling rounds nothing. A scale that is not
    dynamic is 1.

    Keras's own needs all replicas at once for each update, and so a graph with the
    updates of all of them; with this one each replica computes on its own.

    Attributes:
        current_loss_scale: float32 variable.
        good_steps: int64 variable, finite updates since it has changed.
    """

    def __init__(self, dynamic):
        """Creates the variables; call it under the strategy's scope.

        Args:
            dynamic: whether it changes.
        """
        super().__init__()
        self.dynamic = dynamic
        self.current_loss_scale = tf.Variable(
            INITIAL if dynamic else 1.0, trainable=False, name="current_loss_scale"
        )
        self.good_steps = tf.Variable(
            tf.zeros([], tf.int64), trainable=False, name="good_steps"
        )

    def value(self):
        """The factor of the loss: float32 scalar."""
        return tf.convert_to_tensor(self.current_loss_scale if self.dynamic else 1.0)

    def update(self, finite):
        """Follows an update of the model, on the replica that calls.

        Args:
            finite: bool scalar, whether the model was updated.
        """
        if not self.dynamic:
            return
        scale, steps = self.value(), self.good_steps + 1
        grown = steps >= GROWTH_STEPS
        doubled = tf.where(grown & tf.math.is_finite(2 * scale), 2 * scale, scale)
        halved = tf.maximum(scale / 2, 1)
        assign_own(self.current_loss_scale, tf.where(finite, doubled, halved))
        assign_own(self.good_steps, tf.where(finite & ~grown, steps, 0))


def update_or_skip(optimizer, variables, gradients, loss, counted):
    """Applies an update, or skips it, on the replica that calls.

    It is skipped where the loss or the gradients' global norm is not finite: with a
    gradient that is not, or with gradients so large that their norm overflows.

    Args:
        optimizer: an `AdamW` with its `loss_scale`.
        variables: all that it updates.
        gradients: of all replicas, of the scaled loss, to be divided by `counted`.
        loss: of all replicas; one that is not finite need not reach a gradient.
        counted: the fraction of the examples that count.

    Returns:
        Dict of the scalars "learning_rate", "loss_scale" and "gradient_norm".
    """
    rate, scale = optimizer.schedule(optimizer.iterations), optimizer.loss_scale.value()
    # A factor, so that the gradients are gone over once.
    factor = tf.math.divide_no_nan(1.0, counted) / scale
    gradients = [factor * gradient for gradient in gradients]
    norm = tf.linalg.global_norm(gradients)
    finite = tf.math.is_finite(norm) & tf.math.is_finite(loss)
    tf.cond(
        finite,
        lambda: optimizer.apply_gradients(zip(gradients, variables, strict=True), norm),
        optimizer.count,
    )
    optimizer.loss_scale.update(finite)
    return {"learning_rate": rate, "loss_scale": scale, "gradient_norm": norm}
