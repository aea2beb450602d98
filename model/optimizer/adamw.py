"""AdamW as PyTorch computes it, with parameter groups."""

import types

import tensorflow as tf
import tf_keras as keras

from model.replicas import assign_own


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
        place_of = {}
        for place, group in enumerate(self.groups):
            for variable in group.variables:
                other = place_of.setdefault(self._var_key(variable), place)
                if other != place:
                    raise ValueError(
                        "Every variable must be in exactly one group; "
                        f"{variable.name} is in {self.groups[other].name} and "
                        f"{group.name}."
                    )
        # Of a variable's group. Read-only, or checkpoints would try to store it.
        self._place_of = types.MappingProxyType(place_of)

    def build(self, var_list):
        """Creates the moments of the variables.

        Raises:
            ValueError: a variable is in no group.
        """
        super().build(var_list)
        if getattr(self, "_built", False):
            return
        missing = [v.name for v in var_list if self._var_key(v) not in self._place_of]
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

    @property
    def state(self):
        """All variables that `apply_gradients` reads or writes, with a schedule."""
        return [*self.variables, self._current_learning_rate]

    def apply_gradients(self, grads_and_vars, norm=None):
        """Applies one update, and counts it, on the replica that calls.

        Each replica updates its own copies of the variables, and all do so by the same
        gradients. Keras's own method needs all replicas at once, and so a graph with
        the updates of all of them, in which the learning rate and the corrections are
        computed anew for each variable.

        Args:
            grads_and_vars: (gradient, variable) of every variable; the gradients are
                those of all replicas.
            norm: the gradients' global norm, if it is known already.
        """
        gradients, variables = zip(*grads_and_vars, strict=True)
        with tf.init_scope():
            self.build(variables)
        if self.global_clipnorm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self.global_clipnorm, norm)
        rate = self._rate()
        corrections = self.correction(self.beta_1), self.correction(self.beta_2)
        # Python's numbers would be a constant each for every variable.
        numbers = {"zero": 0.0, "beta_1": self.beta_1, "beta_2": self.beta_2}
        shared = {name: tf.constant(number) for name, number in numbers.items()}
        factors = [
            shared | self._factors(group, rate, *corrections) for group in self.groups
        ]
        for gradient, variable in zip(gradients, variables, strict=True):
            self._update(variable, gradient, factors)
        self.count()

    def count(self):
        """Counts an update on the replica that calls, one that is skipped as well."""
        assign_own(self.iterations, self.iterations + 1)

    def _rate(self):
        """The learning rate of the next update, float32; Keras keeps it to be seen."""
        if isinstance(self.schedule, tf.Variable):
            return tf.identity(self.schedule)
        rate = tf.cast(self.schedule(self.iterations), tf.float32)
        assign_own(self._current_learning_rate, rate)
        return rate

    def _factors(self, group, rate, correction_1, correction_2):
        """What a group's decay, step and epsilon are multiplied by; see the class.

        The kernel adds epsilon as Keras does and would correct in float32, so both
        corrections go into its rate and its epsilon.
        """
        rate *= group.lr_multiplier
        correction_2 = tf.sqrt(correction_2)
        return {
            "decay": rate * group.weight_decay,
            "rate": rate * correction_2 / correction_1,
            "epsilon": self.epsilon * correction_2,
        }

    def _update(self, variable, gradient, factors):
        """Applies an update to one variable, by the factors of each group."""
        key = self._var_key(variable)
        place = self._place_of[key]
        first, second = self._moments[self._index_dict[key]]
        factors = factors[place]
        if self.groups[place].weight_decay:
            decayed = variable * factors["decay"]
            tf.raw_ops.AssignSubVariableOp(resource=variable.handle, value=decayed)
        # One pass over memory.
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=first.handle,
            v=second.handle,
            beta1_power=factors["zero"],
            beta2_power=factors["zero"],
            lr=factors["rate"],
            beta1=factors["beta_1"],
            beta2=factors["beta_2"],
            epsilon=factors["epsilon"],
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
