"""AdamW with parameter groups: a learning rate multiplier and a decay per variable."""

import dataclasses
import math
import re
import types
from collections.abc import Sequence

import tensorflow as tf
import tf_keras as keras

from model.schedule import WarmUpCosine


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """Variables that share a learning rate multiplier and a weight decay."""

    name: str
    variables: Sequence[tf.Variable]
    rate_multiplier: float
    weight_decay: float

    def __str__(self):
        parameters = sum(math.prod(variable.shape) for variable in self.variables)
        return (
            f"{self.name}: {len(self.variables)} tensors, {parameters:,} parameters, "
            f"learning rate x{self.rate_multiplier:g}, "
            f"weight decay {self.weight_decay:g}"
        )


class AdamW(keras.optimizers.Optimizer):
    """AdamW (Loshchilov & Hutter 2019, algorithm 2) as PyTorch computes it.

    With m and v the moments of the gradient, r the group's learning rate:

        m' = m / (1 - beta_1^t),  v' = v / (1 - beta_2^t)
        w <- (1 - r decay) w - r m' / (sqrt(v') + epsilon)

    Keras adds epsilon before the correction of v instead, which weighs it more in early
    steps; otherwise its AdamW is the same.

    Args:
        learning_rate: a number or a schedule.
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
        key = self._var_key(variable)
        group = self._group_of[key]
        first, second = self._moments[self._index_dict[key]]
        rate = tf.cast(self.learning_rate, tf.float32) * group.rate_multiplier
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


# Norms by the name of their layer or of their variables (Keras: gamma and beta), and
# relative position bias tables. Biases of linear layers do decay, as in the official
# runs. A SavedModel keeps the names of its variables, so this holds for Hub models too.
WITHOUT_DECAY = re.compile(r"norm|(^|/)(gamma|beta)(:0)?$|relative_position_bias_table")


def parameter_groups(model, *, backbone_multiplier, weight_decay):
    """Backbone and head of a model, each with and without weight decay.

    This is what the official configuration asks for and mmaction2 1.x does. (In the
    official runs, key matching let norms of the backbone decay and gave its bias tables
    the head's rate.)

    Args:
        model: has `trainable_variables` and `backbone.trainable_variables`.

    Returns:
        Groups that are not empty.
    """
    inside = {id(variable) for variable in model.backbone.trainable_variables}
    members = {
        (part, kept): [] for part in ("backbone", "head") for kept in (True, False)
    }
    for variable in model.trainable_variables:
        part = "backbone" if id(variable) in inside else "head"
        kept = not WITHOUT_DECAY.search(variable.name)
        members[part, kept].append(variable)
    return [
        Group(
            name=part if kept else f"{part}, norms and position biases",
            variables=variables,
            rate_multiplier=backbone_multiplier if part == "backbone" else 1.0,
            weight_decay=weight_decay if kept else 0.0,
        )
        for (part, kept), variables in members.items()
        if variables
    ]


def create_optimizer(config, model, *, steps, warmup_steps):
    """AdamW on a warm-up cosine schedule, for a model whose variables exist.

    Args:
        config: `configs.schema.Optimizer`.
        model: a classifier with its `backbone`.
        steps: steps of the whole run.
        warmup_steps: steps of the warm-up.
    """
    schedule = WarmUpCosine(
        config.learning_rate,
        steps=steps,
        warmup_steps=warmup_steps,
        warmup_fraction=config.warmup_fraction,
        final_fraction=config.final_fraction,
    )
    return AdamW(
        schedule,
        groups=parameter_groups(
            model,
            backbone_multiplier=config.backbone_multiplier,
            weight_decay=config.weight_decay,
        ),
        beta_1=config.beta_1,
        beta_2=config.beta_2,
        epsilon=config.epsilon,
        clip_norm=config.clip_norm,
    )


def describe_groups(optimizer):
    """One line for each parameter group of an AdamW, or of one that scales its loss."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return [str(group) for group in inner.groups]
