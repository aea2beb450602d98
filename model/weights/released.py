"""The six released Video Swin models: what each of them is, and was trained on.

Values: the official repository's README and configs/recognition/swin/*.py.
"""

import dataclasses

from configs.command.errors import ConfigError
from configs.schema import Protocol
from configs.schema.model import VIDEO_SWIN_SIZES

LICENCE = "Apache-2.0"
ORIGIN = "SwinTransformer/Video-Swin-Transformer on GitHub (Liu et al. 2022)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """A released model.

    Attributes:
        top1, top5: its published accuracies in percent.
        views: with which they were measured: clips x crops.
        frame_interval: distance between the frames of a clip; None where each is from a
            segment of the whole video.
        frames, pixels: of a clip; pixels is its height and width.
    """

    size: str
    dataset: str
    num_classes: int
    pretraining: str
    drop_path_rate: float
    top1: float
    top5: float
    views: str
    frame_interval: int | None = 2
    frames: int = 32
    pixels: int = 224
    window_size: tuple[int, int, int] = (8, 7, 7)
    patch_size: tuple[int, int, int] = (2, 4, 4)

    @property
    def architecture(self):
        """As `VideoSwin` takes it."""
        return VIDEO_SWIN_SIZES[self.size] | {
            "window_size": self.window_size,
            "patch_size": self.patch_size,
        }

    @property
    def protocol(self):
        """How it is shown videos."""
        clips, crops = map(int, self.views.split(" x "))
        return Protocol(
            frames=self.frames,
            frame_sampling="interval" if self.frame_interval else "segments",
            frame_interval=self.frame_interval,
            size=self.pixels,
            clips=clips,
            crops=crops,
            view_sampling="official",
            short_side=0,
        )

    @property
    def training(self):
        """What it was trained on and reached, as a SavedModel's description says it."""
        return {
            "dataset": self.dataset,
            "pretraining": self.pretraining,
            "top1": self.top1,
            "top5": self.top5,
            "views": self.views,
        }


KINETICS = {"dataset": "Kinetics-400", "num_classes": 400, "views": "4 x 3"}
RELEASED = {
    "swin_tiny_patch244_window877_kinetics400_1k": Variant(
        size="tiny",
        pretraining="ImageNet-1K",
        drop_path_rate=0.1,
        top1=78.8,
        top5=93.6,
        **KINETICS,
    ),
    "swin_small_patch244_window877_kinetics400_1k": Variant(
        size="small",
        pretraining="ImageNet-1K",
        drop_path_rate=0.1,
        top1=80.6,
        top5=94.5,
        **KINETICS,
    ),
    "swin_base_patch244_window877_kinetics400_1k": Variant(
        size="base",
        pretraining="ImageNet-1K",
        drop_path_rate=0.3,
        top1=80.6,
        top5=94.6,
        **KINETICS,
    ),
    "swin_base_patch244_window877_kinetics400_22k": Variant(
        size="base",
        pretraining="ImageNet-22K",
        drop_path_rate=0.2,
        top1=82.7,
        top5=95.5,
        **KINETICS,
    ),
    "swin_base_patch244_window877_kinetics600_22k": Variant(
        size="base",
        dataset="Kinetics-600",
        num_classes=600,
        pretraining="ImageNet-22K",
        drop_path_rate=0.2,
        top1=84.0,
        top5=96.5,
        views="4 x 3",
    ),
    "swin_base_patch244_window1677_sthv2": Variant(
        size="base",
        dataset="Something-Something v2",
        num_classes=174,
        pretraining="Kinetics-400",
        drop_path_rate=0.4,
        top1=69.6,
        top5=92.7,
        views="1 x 3",
        frame_interval=None,
        window_size=(16, 7, 7),
    ),
}


def check_variant(name, architecture, num_classes):
    """Raises ConfigError unless a checkpoint is what the released name says.

    Args:
        name: one of RELEASED.
        architecture: as inferred from the checkpoint.
        num_classes: of its head; None without one.
    """
    if name not in RELEASED:
        raise ConfigError(
            f"--variant must be one of {', '.join(RELEASED)}; received {name!r}."
        )
    variant = RELEASED[name]
    expected = variant.architecture | {"num_classes": variant.num_classes}
    found = architecture | {"num_classes": num_classes}
    wrong = [
        f"{field}={expected[field]} (received {found[field]})"
        for field in expected
        if expected[field] != found[field]
    ]
    if wrong:
        raise ConfigError(f"--variant={name} must hold {', '.join(wrong)}.")
