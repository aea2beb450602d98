"""What fresh processes measure, and the JSON in which they tell it."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Task:
    """What a process is to measure.

    Attributes:
        experiment: the `Experiment`, as JSON.
        steps: rounds.
        replicas: that one is compared with.
    """

    experiment: str
    steps: int
    replicas: int


@dataclasses.dataclass(frozen=True)
class Memory:
    """What a step takes, and its start.

    Attributes:
        built: bytes before the first step.
        step: bytes by which the peak of the steps is higher.
        first: seconds to trace and compute the first step.
        steady: seconds of a later step.
        graph: bytes of the GraphDef.
    """

    built: int
    step: int
    first: float
    steady: float
    graph: int


@dataclasses.dataclass(frozen=True)
class Replicas:
    """A batch on one replica and on several.

    Attributes:
        one: seconds of a step.
        several: likewise.
        first: seconds to trace and compute the first step on several.
    """

    one: float
    several: float
    first: float


@dataclasses.dataclass(frozen=True)
class Loop:
    """A step within `fit` and without it, and a checkpoint.

    Attributes:
        bare: seconds of a compiled step.
        fit: seconds from the end of a step of `fit` to the end of the next.
        save: seconds of a checkpoint.
    """

    bare: float
    fit: float
    save: float


FORMS = {"memory": Memory, "replicas": Replicas, "loop": Loop}
