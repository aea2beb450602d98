"""The backbone, where its weights come from, and the head."""

import dataclasses
from typing import Literal

from configs.schema.section import Section, option, require

# The options that say what a Video Swin is.
ARCHITECTURE = ("embed_dim", "depths", "num_heads", "window_size", "patch_size")

# The sizes of the paper (section 3.3). Whatever they do not say is equal for all.
VIDEO_SWIN_SIZES = {
    "tiny": {"embed_dim": 96, "depths": (2, 2, 6, 2), "num_heads": (3, 6, 12, 24)},
    "small": {"embed_dim": 96, "depths": (2, 2, 18, 2), "num_heads": (3, 6, 12, 24)},
    "base": {"embed_dim": 128, "depths": (2, 2, 18, 2), "num_heads": (4, 8, 16, 32)},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model(Section):
    """The backbone, where its weights come from, and the head."""

    prefix = "model."

    backbone: Literal["video_swin", "hub"] | None = option(
        None,
        "video_swin: built here, with the weights of the handle where there is one; "
        "hub: the SavedModel of the handle, run as it is; none: video_swin where the "
        "handle is empty or holds one, otherwise hub.",
    )
    handle: str = option(
        "",
        "A SavedModel to start from: a path or a TF-Hub address. One written by "
        "model.convert or export.py becomes a video_swin with its weights; any other "
        "runs as it is. Empty starts from random weights.",
        may_change=True,
        is_path=True,
    )
    architecture_from: Literal["options", "handle"] = option(
        "options",
        "What says what a Video Swin is, where there is a handle. options: embed_dim, "
        "depths, num_heads, window_size and patch_size, with which the handle must "
        "agree; handle: the handle, but for those of them that are given as flags.",
        may_change=True,
        was_default=True,
    )
    trust_graph: bool = option(
        False,
        "Run a SavedModel as it is even if its graph holds operations that may touch "
        "files, processes, Python or the network; for models whose maker you trust.",
        may_change=True,
    )
    embed_dim: int | None = option(
        None,
        "Channels after patch embedding; none takes what the handle holds.",
        at_least=1,
    )
    depths: tuple[int, ...] | None = option(
        None, "Blocks of each stage; none takes what the handle holds.", at_least=1
    )
    num_heads: tuple[int, ...] | None = option(
        None,
        "Attention heads of each stage; none takes what the handle holds.",
        at_least=1,
    )
    window_size: tuple[int, int, int] | None = option(
        None,
        "Attention window: frames, height, width after patch embedding; none takes "
        "what the handle holds.",
        at_least=1,
    )
    patch_size: tuple[int, int, int] | None = option(
        None,
        "Patch: frames, height, width; none takes what the handle holds.",
        at_least=1,
    )
    drop_path_rate: float = option(
        0.1,
        "Stochastic depth: the rate of the last block, rising linearly from 0.",
        at_least=0,
        below=1,
    )
    dropout: float = option(
        0.5, "Dropout before the classification layer.", at_least=0, below=1
    )
    recompute: Literal["none", "attention", "block"] = option(
        "none",
        "Activation checkpointing: what the backward pass computes again instead of "
        "keeping it. attention: scores and softmax, a third of the memory for little "
        "time; block: all of a block but its input, half of it for about a quarter "
        "more time.",
        may_change=True,
    )

    @property
    def architecture(self):
        """What a Video Swin is, as a dict of its options; None unless all are set."""
        values = {name: getattr(self, name) for name in ARCHITECTURE}
        return None if None in values.values() else values

    def validate(self):
        """Raises ConfigError where options that are valid alone do not go together."""
        missing = [name for name in ARCHITECTURE if getattr(self, name) is None]
        given = [name for name in ARCHITECTURE if name not in missing]
        match self.backbone:
            case "hub":
                must = "be set for model.backbone=hub"
                require(self.handle, "model.handle", must, self.handle)
                must = "be none for model.backbone=hub, whose graph is what it is"
                values = [getattr(self, name) for name in given]
                require(not given, _names(given), must, values)
            case "video_swin" | None:
                must = "be set where model.handle is empty"
                require(self.handle or not missing, _names(missing), must, None)
        self._validate_stages()

    def _validate_stages(self):
        if self.depths is not None and self.num_heads is not None:
            require(
                len(self.depths) == len(self.num_heads) > 0,
                "model.num_heads",
                "name one number for each stage in model.depths",
                self.num_heads,
            )
        if self.embed_dim is not None and self.num_heads is not None:
            require(
                all(
                    (self.embed_dim << stage) % heads == 0
                    for stage, heads in enumerate(self.num_heads)
                ),
                "model.num_heads",
                f"divide each stage's channels (model.embed_dim={self.embed_dim}, "
                "doubling)",
                self.num_heads,
            )

    def left_to_handle(self, given=()):
        """A copy that leaves the architecture to the handle where that is to decide it.

        Args:
            given: names of options of the architecture that stay as they are.
        """
        if not self.handle or self.architecture_from == "options":
            return self
        left = [name for name in ARCHITECTURE if name not in given]
        return dataclasses.replace(self, **dict.fromkeys(left))

    def completed(self, other):
        """A copy whose options that are None are taken from `other`.

        These are the options of the backbone and of its architecture.
        """
        missing = [
            name for name in ("backbone", *ARCHITECTURE) if getattr(self, name) is None
        ]
        return dataclasses.replace(
            self, **{name: getattr(other, name) for name in missing}
        )


def video_swin(size, **options):
    """A Video Swin of one of the paper's sizes, with its usual window and patch.

    Args:
        size: "tiny", "small" or "base".
        **options: other fields of `Model`.
    """
    usual = {"window_size": (8, 7, 7), "patch_size": (2, 4, 4)}
    return Model(**VIDEO_SWIN_SIZES[size] | usual | options)


def size_of(architecture):
    """The name of the size that an architecture is of, such as "Swin-T".

    Args:
        architecture: dict of the options of `ARCHITECTURE`; None is open.

    Returns:
        str; "Video Swin" for a size that is not the paper's.
    """
    for name, sizes in VIDEO_SWIN_SIZES.items():
        if all(architecture[key] == value for key, value in sizes.items()):
            return f"Swin-{name[0].upper()}"
    return "Video Swin"


def _names(fields):
    return ", ".join(f"model.{name}" for name in fields)
