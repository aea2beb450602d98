"""Every option of a run: frozen dataclasses that validate themselves.

Each field carries its help text; `configs.flags` derives one command-line flag from it.
Sections are replaced, never changed: `dataclasses.replace` validates the new one.
"""

import dataclasses
import math
from typing import Literal

from configs.section import Section, option, require

ARCHITECTURE = ("embed_dim", "depths", "heads", "window", "patch")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data(Section):
    """Which videos are read, and how clips are cut from them."""

    prefix = "data."

    source: Literal["ucf101", "tfds"] = option(
        "ucf101",
        "ucf101: a directory of class folders of video files with train and test "
        "lists, as UCF101 unpacks; tfds: the prepared TFDS builder of that name.",
    )
    root: str = option(
        "", "Directory of the data set (source=tfds: the TFDS data_dir)."
    )
    split: int = option(1, "Which official train/test lists are used: 1, 2 or 3.")
    batch_size: int = option(
        64, "Clips of one optimizer update, summed over all replicas."
    )
    frames: int = option(32, "Frames of a clip.")
    frame_interval: int = option(2, "Distance between the frames of a clip.")
    size: int = option(224, "Height and width of a clip in pixels.")
    crop_area: tuple[float, float] = option(
        (0.08, 1.0), "Smallest and largest share of the frame a training crop covers."
    )
    flip: bool = option(
        True, "Mirror half of the training clips; off where left and right matter."
    )
    validation: Literal["test", "groups", "none"] = option(
        "test",
        "Measured after each epoch: test watches the test split (never to choose a "
        "checkpoint), groups holds out training groups, none measures nothing.",
    )
    validation_groups: tuple[int, ...] = option(
        (23, 24, 25), "Training groups (the number after _g) that groups holds out."
    )
    shuffle_frames: bool = option(
        False,
        "Put the frames of every clip in a random order: an ablation that shows "
        "whether a model uses motion.",
    )
    bad_share: float = option(
        0.01, "Share of training videos that may be unreadable before a run refuses."
    )
    threads: int = option(0, "Clips decoded in parallel; 0 takes every core.")

    def validate(self):
        require(self.split in (1, 2, 3), "data.split", "be 1, 2 or 3", self.split)
        for name in ("batch_size", "frames", "frame_interval"):
            value = getattr(self, name)
            require(value >= 1, f"data.{name}", "be at least 1", value)
        require(self.size >= 8, "data.size", "be at least 8", self.size)
        low, high = self.crop_area
        require(
            0 < low <= high <= 1,
            "data.crop_area",
            "be two increasing shares in (0, 1]",
            self.crop_area,
        )
        require(
            self.validation != "groups" or self.validation_groups,
            "data.validation_groups",
            "name at least one group when data.validation=groups",
            self.validation_groups,
        )
        require(
            0 <= self.bad_share < 1, "data.bad_share", "be in [0, 1)", self.bad_share
        )
        require(self.threads >= 0, "data.threads", "not be negative", self.threads)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model(Section):
    """The backbone, where its weights come from, and the head."""

    prefix = "model."

    handle: str = option(
        "",
        "A SavedModel to start from: a path or a TF-Hub address. One written by "
        "model.convert or model.export becomes the native model with its weights; any "
        "other runs as it is. Empty starts from random weights.",
    )
    embed_dim: int | None = option(
        None, "Channels after patch embedding; none takes what the handle holds."
    )
    depths: tuple[int, ...] | None = option(
        None, "Blocks of each stage; none takes what the handle holds."
    )
    heads: tuple[int, ...] | None = option(
        None, "Attention heads of each stage; none takes what the handle holds."
    )
    window: tuple[int, int, int] | None = option(
        None,
        "Attention window: frames, height, width after patch embedding; none takes "
        "what the handle holds.",
    )
    patch: tuple[int, int, int] | None = option(
        None, "Patch: frames, height, width; none takes what the handle holds."
    )
    drop_path: float = option(
        0.1, "Stochastic depth: the rate of the last block, rising linearly from 0."
    )
    dropout: float = option(0.5, "Dropout before the classification layer.")
    recompute: bool = option(
        False,
        "Recompute each block in the backward pass: about half the memory, about a "
        "third more time.",
    )

    def validate(self):
        missing = [name for name in ARCHITECTURE if getattr(self, name) is None]
        require(
            self.handle or not missing,
            ", ".join(f"model.{name}" for name in missing),
            "be set where model.handle is empty",
            None,
        )
        if self.depths is not None and self.heads is not None:
            require(
                len(self.depths) == len(self.heads) > 0,
                "model.heads",
                "name one number for each stage in model.depths",
                self.heads,
            )
        if self.embed_dim is not None and self.heads is not None:
            require(
                all(
                    h > 0 and (self.embed_dim << i) % h == 0
                    for i, h in enumerate(self.heads)
                ),
                "model.heads",
                f"divide each stage's channels (model.embed_dim={self.embed_dim}, "
                "doubling)",
                self.heads,
            )
        for name in ARCHITECTURE:
            value = getattr(self, name)
            sizes = value if isinstance(value, tuple) else (value,)
            require(
                value is None or all(size >= 1 for size in sizes),
                f"model.{name}",
                "be positive",
                value,
            )
        for name in ("drop_path", "dropout"):
            value = getattr(self, name)
            require(0 <= value < 1, f"model.{name}", "be in [0, 1)", value)

    def completed(self, other):
        """This with the architecture of `other` where it names none itself."""
        missing = [name for name in ARCHITECTURE if getattr(self, name) is None]
        return dataclasses.replace(
            self, **{name: getattr(other, name) for name in missing}
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizer(Section):
    """AdamW and its warm-up cosine schedule."""

    prefix = "optimizer."

    learning_rate: float = option(1e-3, "Peak learning rate of the head.")
    backbone_multiplier: float = option(
        0.1, "The backbone's learning rate as a multiple of the head's."
    )
    weight_decay: float = option(
        0.02, "Decoupled weight decay; none on norms and relative position biases."
    )
    beta_1: float = option(0.9, "Decay of the first moment.")
    beta_2: float = option(0.999, "Decay of the second moment.")
    epsilon: float = option(1e-8, "Added to the root of the second moment.")
    warmup_epochs: float = option(2.5, "Length of the linear warm-up.")
    warmup_fraction: float = option(
        0.1, "Learning rate at step 0 as a share of the peak."
    )
    final_fraction: float = option(
        0.0, "Learning rate after the last step as a share of the peak."
    )
    label_smoothing: float = option(0.0, "Share of the target spread over all classes.")
    clip_norm: float | None = option(
        None, "Global gradient norm above which gradients are scaled down; none: never."
    )

    def validate(self):
        for name in ("learning_rate", "epsilon"):
            value = getattr(self, name)
            require(0 < value < math.inf, f"optimizer.{name}", "be positive", value)
        for name in ("backbone_multiplier", "weight_decay", "warmup_epochs"):
            value = getattr(self, name)
            require(
                0 <= value < math.inf, f"optimizer.{name}", "not be negative", value
            )
        for name in ("beta_1", "beta_2", "label_smoothing"):
            value = getattr(self, name)
            require(0 <= value < 1, f"optimizer.{name}", "be in [0, 1)", value)
        for name in ("warmup_fraction", "final_fraction"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"optimizer.{name}", "be in [0, 1]", value)
        require(
            self.clip_norm is None or self.clip_norm > 0,
            "optimizer.clip_norm",
            "be positive or none",
            self.clip_norm,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runtime(Section):
    """Where and in which precision a run computes."""

    prefix = "runtime."

    replicas: int = option(
        0,
        "Model replicas: GPUs where there are any, logical CPU devices otherwise; "
        "0 takes every GPU, or one CPU.",
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = option(
        "float32", "Precision of the computation; variables stay float32."
    )
    micro_batches: int = option(
        1,
        "Parts a replica's batch is computed in, one after the other, for one update: "
        "less memory, the same result.",
    )
    deterministic: bool = option(
        False, "Use only operations whose results repeat bit for bit (slower on GPU)."
    )

    def validate(self):
        require(
            self.replicas >= 0, "runtime.replicas", "not be negative", self.replicas
        )
        require(
            self.micro_batches >= 1,
            "runtime.micro_batches",
            "be at least 1",
            self.micro_batches,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoints(Section):
    """When a run is saved, and what ends it early."""

    prefix = "checkpoints."

    save_every: int = option(500, "Steps between checkpoints, besides every epoch's.")
    keep: int = option(3, "Newest checkpoints kept, besides the best.")
    nonfinite_limit: int = option(
        20, "Updates in a row that may be skipped for not being finite."
    )
    stall_minutes: float = option(
        30.0, "Minutes without progress after which the run stops itself; 0: never."
    )

    def validate(self):
        for name in ("save_every", "keep", "nonfinite_limit"):
            value = getattr(self, name)
            require(value >= 1, f"checkpoints.{name}", "be at least 1", value)
        require(
            self.stall_minutes >= 0,
            "checkpoints.stall_minutes",
            "not be negative",
            self.stall_minutes,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Views(Section):
    """The views of each test video whose probabilities are averaged."""

    prefix = "views."

    clips: int = option(4, "Clips, evenly spaced over the video.")
    crops: Literal[1, 3] = option(
        3, "Square crops of each clip: 1 (centre) or 3 (along the longer side)."
    )
    batch_size_per_replica: int = option(4, "Views computed at once by each replica.")

    def validate(self):
        for name in ("clips", "batch_size_per_replica"):
            value = getattr(self, name)
            require(value >= 1, f"views.{name}", "be at least 1", value)
        require(self.crops in (1, 3), "views.crops", "be 1 or 3", self.crops)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment(Section):
    """A whole run."""

    epochs: int = option(30, "Passes over the training videos.")
    seed: int = option(
        0, "Decides the initial head, the order of clips and every augmentation."
    )
    data: Data = Data()
    model: Model
    optimizer: Optimizer = Optimizer()
    runtime: Runtime = Runtime()
    checkpoints: Checkpoints = Checkpoints()
    views: Views = Views()

    def validate(self):
        require(self.epochs >= 1, "epochs", "be at least 1", self.epochs)
        require(0 <= self.seed < 2**31, "seed", "be in [0, 2^31)", self.seed)
        require(
            self.optimizer.warmup_epochs < self.epochs,
            "optimizer.warmup_epochs",
            f"be below epochs={self.epochs}",
            self.optimizer.warmup_epochs,
        )
        self.check_replicas(self.runtime.replicas or 1)

    def check_replicas(self, replicas):
        """Raises ConfigError unless so many replicas can share each batch evenly."""
        batch, parts = self.data.batch_size, self.runtime.micro_batches
        legal = [count for count in divisors(batch) if batch % (count * parts) == 0]
        require(
            replicas in legal,
            "data.batch_size",
            f"be divisible by runtime.replicas x runtime.micro_batches = "
            f"{replicas} x {parts} (replica counts that divide it: {legal})",
            batch,
        )


def divisors(number):
    """All divisors of a positive number, ascending."""
    return [d for d in range(1, number + 1) if number % d == 0]
