"""What passes between `--check` and its workers, as JSON."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Task:
    """What every worker times.

    Attributes:
        experiment: the `Experiment` whose model is stepped, as JSON.
        clips: of each worker's part of a batch.
        classes: of the head.
        sizes: of the tensors that are all-reduced, in bytes of float32.
        repeats: how often each is timed.
    """

    experiment: str
    clips: int
    classes: int
    sizes: list[int]
    repeats: int


@dataclasses.dataclass(frozen=True)
class Timing:
    """What worker 0 measured; times are medians, in seconds.

    Attributes:
        step: of a training step.
        computing: of the same step without all-reduces, while the others do the same.
        all_reduces: of an all-reduce of each size.
        collectives: bytes of every all-reduce that a step's graph holds, descending.
        parameters: trainable weights of the model that was built.
    """

    step: float
    computing: float
    all_reduces: list[float]
    collectives: list[int]
    parameters: int
