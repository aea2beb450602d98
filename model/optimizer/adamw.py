"""AdamW as PyTorch computes it, with parameter groups."""

import types

import tensorflow as tf
import tf_keras as keras


class AdamW(keras.optimizers.Optimizer):
    """AdamW (Loshchilov & Hutter 2019, algorithm 2) as PyTorch computes it.

    With m and v the moments of the gradient, r the group's learning rate:

        m' = m / (1 - beta_1^t),  v' = v / (1 - beta_2^t)
        w <- (1 - r decay) w - r m' / (sqrt(v') + epsilon)

    Keras adds epsilon before the correction of v instead, which weighs it more in early
    steps; otherwise its AdamW is the same.

    Args:
        learning_rate: a schedule, a function of the step.
        groups: every variable of `build` in exactly one group.
        clip_norm: global norm above which gradients are scaled down; None never.
    """

    def __init__(
        self,
        learning_rate,
        *,
        groups,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        clip_norm=None,
        name="AdamW",
    ):
        # Under a strategy Keras turns XLA off anyway; one behaviour everywhere.
        super().__init__(name, global_clipnorm=clip_norm, jit_compile=False)
        self.weight_decay = None  # Keras's own decay; ours is part of the update
        self._learning_rate = self._build_learning_rate(learning_rate)
        self.groups = tuple(groups)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        group_of = {}
        for group in self.groups:
            for variable in group.variables:
                other = group_of.setdefault(self._var_key(variable), group)
                if other is not group:
                    raise ValueError(
                        "Every variable must be in exactly one group; "
                        f"{variable.name} is in {other.name} and {group.name}."
                    )
        # Read-only, or checkpoints would try to store it.
        self._group_of = types.MappingProxyType(group_of)

    def build(self, var_list):
        """Creates the moments of the variables.

        Raises:
            ValueError: a variable is in no group.
        """
        super().build(var_list)
        if getattr(self, "_built", False):
            return
        missing = [v.name for v in var_list if self._var_key(v) not in self._group_of]
        if missing:
            raise ValueError(
                f"Every variable must be in exactly one group; in none: {missing}."
            )
        self._built = True
        self._moments = [
            tuple(self.add_variable_from_reference(variable, name) for name in "mv")
            for variable in var_list
        ]

    @property
    def schedule(self):
        """The learning rate as a function of the step."""
        return self._learning_rate

    def update_step(self, gradient, variable):
        """Applies one update to one variable; see the class for the formula."""
        key = self._var_key(variable)
        group = self._group_of[key]
        first, second = self._moments[self._index_dict[key]]
        rate = tf.cast(self.learning_rate, tf.float32) * group.lr_multiplier
        correction_1 = self.correction(self.beta_1)
        correction_2 = tf.sqrt(self.correction(self.beta_2))
        if group.weight_decay:
            variable.assign_sub(variable * (rate * group.weight_decay))
        # One pass over memory. The kernel adds epsilon as Keras does and would correct
        # in float32, so both corrections go into its rate and its epsilon.
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=first.handle,
            v=second.handle,
            beta1_power=0.0,
            beta2_power=0.0,
            lr=rate * correction_2 / correction_1,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon * correction_2,
            grad=tf.convert_to_tensor(gradient),  # a gathered table's may be sparse
        )

    def correction(self, beta):
        """1 - beta^t at update t, counted from 1.

        For beta as the kernel rounds it to float32 (0.99900001 for 0.999), in float64:
        both matter in the fifth digit of 1 - beta.
        """
        step = tf.cast(self.iterations + 1, tf.float64)
        beta = tf.cast(tf.constant(beta, tf.float32), tf.float64)
        return tf.cast(1 - tf.pow(beta, step), tf.float32)

    def get_config(self):
        """Hyperparameters; groups hold variables, so `create_optimizer` makes them."""
        return super().get_config() | {
            "learning_rate": self._serialize_hyperparameter(self._learning_rate),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
