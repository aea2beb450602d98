"""Where and in which precision a run computes, when it is saved, what ends it early."""

import dataclasses
from typing import Literal

from configs.schema.section import Section, option, require

MOST_PROFILED = 100  # steps; a profile of many more takes all memory


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runtime(Section):
    """Where and in which precision a run computes."""

    prefix = "runtime."

    cluster: Literal["auto", "none", "tf_config", "slurm"] = option(
        "auto",
        "Where the run's workers, processes on one or more machines, are named: in "
        "TF_CONFIG or by Slurm's srun. auto takes what the environment names; none: "
        "this process trains alone.",
        may_change=True,
    )
    join_minutes: float = option(
        10.0,
        "Minutes that workers wait for one another to come, and for a sign of life of "
        "the others whenever they wait for them: before the first step, when the chief "
        "saves before an end, validates or reports.",
        above=0,
        may_change=True,
    )
    replicas: int = option(
        0,
        "Model replicas of each worker: GPUs where there are any, logical CPU devices "
        "otherwise; 0 takes every GPU, or one CPU.",
        at_least=0,
        may_change=True,
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = option(
        "float32", "Precision of the computation; variables stay float32."
    )
    accumulation_steps: int = option(
        1,
        "Gradient accumulation: parts in which a replica's batch is computed, one "
        "after the other, for one update: less memory, the same result.",
        at_least=1,
        may_change=True,
    )
    jit_compile: bool = option(
        False,
        "Have XLA compile the forward and backward pass of each replica: the same "
        "masks, losses within rounding, a longer first step. Slower on CPUs (1.05 x); "
        "off until it has been measured on a GPU.",
        may_change=True,
    )
    deterministic: bool = option(
        False,
        "Use only operations whose results repeat bit for bit (slower on GPU).",
        may_change=True,
    )
    profile_steps: tuple[int, int] | None = option(
        None,
        "First and last step of a profile that the chief writes for TensorBoard, at "
        f"most {MOST_PROFILED} steps; about ten tell enough. none: no profile.",
        at_least=1,
        may_change=True,
    )

    wandb: bool = option(
        False,
        "Log the curves to Weights & Biases, too, as its environment variables say "
        "(WANDB_PROJECT, WANDB_MODE, …).",
        may_change=True,
    )

    def validate(self):
        """Raises ConfigError unless the steps of a profile are some, and not many."""
        first, last = self.profile_steps or (1, 1)
        require(
            first <= last < first + MOST_PROFILED,
            "runtime.profile_steps",
            f"be first,last with first <= last < first + {MOST_PROFILED}",
            self.profile_steps,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoints(Section):
    """When a run is saved, and what ends it early."""

    prefix = "checkpoints."

    save_every: int = option(
        500,
        "Steps between checkpoints, besides every epoch's.",
        at_least=1,
        may_change=True,
    )
    keep: int = option(
        3,
        "Newest checkpoints that are kept, besides the best.",
        at_least=1,
        may_change=True,
    )
    keep_every: int = option(
        0,
        "Epochs: the checkpoint at the end of every so many epochs is never deleted; "
        "0: all but the newest and the best are.",
        at_least=0,
        may_change=True,
    )
    patience: int = option(
        0,
        "Early stopping: epochs in a row without a better top-1 on what "
        "data.validation=split or groups holds out, after which the run ends; 0: "
        "never.",
        at_least=0,
        may_change=True,
    )
    nonfinite_limit: int = option(
        20,
        "Updates in a row that are not finite after which the run ends; fewer are "
        "skipped.",
        at_least=1,
        may_change=True,
    )
    stall_minutes: float = option(
        30.0,
        "Minutes without progress after which the run stops itself; 0: never.",
        at_least=0,
        may_change=True,
    )
