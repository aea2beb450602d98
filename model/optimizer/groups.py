"""Parameter groups: which variables share a learning rate multiplier and a decay."""

import dataclasses
import math
from collections.abc import Sequence

import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """Variables that share a learning rate multiplier and a weight decay."""

    name: str
    variables: Sequence[tf.Variable]
    lr_multiplier: float
    weight_decay: float

    def __str__(self):
        """One line that says how large the group is and how it is treated."""
        parameters = sum(math.prod(variable.shape) for variable in self.variables)
        return (
            f"{self.name}: {len(self.variables)} tensors, {parameters:,} parameters, "
            f"learning rate x{self.lr_multiplier:g}, "
            f"weight decay {self.weight_decay:g}"
        )


def parameter_groups(model, *, backbone_lr_multiplier, weight_decay):
    """Backbone and head of a model, each with and without weight decay.

    This is what the official configuration asks for and mmaction2 1.x does. (In the
    official runs, key matching let norms of the backbone decay and gave its bias tables
    the head's learning rate.)

    Args:
        model: has `trainable_variables`, and a `backbone` with `trainable_variables`
            and `no_weight_decay`, a pattern that finds the names of those variables
            that do not decay.
        backbone_lr_multiplier: the backbone's learning rate over the head's.
        weight_decay: of the variables that decay.

    Returns:
        Groups that are not empty.
    """
    inside = {id(variable) for variable in model.backbone.trainable_variables}
    members = {
        (part, decays): [] for part in ("backbone", "head") for decays in (True, False)
    }
    for variable in model.trainable_variables:
        part = "backbone" if id(variable) in inside else "head"
        decays = not model.backbone.no_weight_decay.search(variable.name)
        members[part, decays].append(variable)
    return [
        Group(
            name=part if decays else f"{part}, norms and position biases",
            variables=variables,
            lr_multiplier=backbone_lr_multiplier if part == "backbone" else 1.0,
            weight_decay=weight_decay if decays else 0.0,
        )
        for (part, decays), variables in members.items()
        if variables
    ]
