"""The types of run.json and finished.json: what a run is, and what came out of it."""

import dataclasses
from typing import Annotated

import msgspec

from storage.records import Count, Fraction, Text


@dataclasses.dataclass(frozen=True, kw_only=True)
class InitialWeights:
    """The checkpoint of another run that a run began with."""

    run_id: Text
    step: Count
    weights_sha256: Text


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identity:
    """What run.json holds; a version may write more, and an older one wrote less."""

    run_id: Text
    class_names: Annotated[list[Text], msgspec.Meta(min_length=1)] | None = None
    train_size: Count = 0
    left_out: tuple[str, ...] = ()
    train_fingerprint: str = ""
    evaluation_fingerprint: str = ""
    graph_fingerprint: str | None = None
    initial_weights: InitialWeights | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What finished.json holds, as far as it is read again."""

    top1: Fraction
    top5: Fraction = 0.0
    mean_class_accuracy: Fraction
    videos: Count
    views: Count
    unreadable: list[str]
    class_accuracies: dict[str, Fraction | None]
