"""Which videos are read, how clips are cut from them, and the views of a test."""

import dataclasses
from typing import Literal

from configs.schema.section import Section, option, require

# The values of data.validation by which a checkpoint may be chosen, or a run ended.
HELD_OUT = ("split", "groups")
LISTS = ("train_list", "validation_list", "test_list", "class_list")
# Whose classes tell left from right, as "Pushing something from left to right" does.
SIDED = ("something-something-v2",)
# Whose split is drawn, and kept in a file.
DRAWN = ("folder", "frames")
# Which may have videos that are held out.
VALIDATED = (*DRAWN, "list", "array_record")
LEAST_SIZE = 8  # pixels of a clip's side
# Frames per second at which the reference script of torchvision reads videos.
TORCHVISION_RATE = 15
FILE = {"may_change": True, "is_path": True, "was_default": True}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data(Section):
    """Which videos are read, and how clips are cut from them."""

    prefix = "data."

    source: Literal[
        "ucf101",
        "hmdb51",
        "something-something-v2",
        "folder",
        "frames",
        "list",
        "array_record",
        "tfds",
    ] = option(
        "ucf101",
        "ucf101: a directory of class folders of video files with train and test "
        "lists, as UCF101 unpacks; hmdb51: the same with the lists of HMDB51; "
        "something-something-v2: its videos and JSON, tested on validation.json; "
        "folder: class folders alone, or in train, val and test; frames: the same with "
        "a folder of pictures for each video; list: lists of paths and labels; "
        "array_record: what python -m data.pack has written; tfds: the TFDS builder "
        "ucf101.",
    )
    root: str = option(
        "",
        "Directory of the data set (source=list: in which the paths of the lists "
        "begin; source=tfds: the TFDS data_dir).",
        may_change=True,
        is_path=True,
    )
    train_list: str = option("", "source=list: the training list.", **FILE)
    validation_list: str = option(
        "", "source=list: the list that validation=split measures on.", **FILE
    )
    test_list: str = option("", "source=list: the test list.", **FILE)
    class_list: str = option(
        "",
        "source=list: names of the classes, in the order of their numbers. Empty: the "
        "labels of the lists are the names.",
        **FILE,
    )
    frame_pattern: str = option(
        "*",
        "source=frames: which pictures of a folder are the frames of its video, such "
        "as img_*.jpg; they are in the order of the numbers in their names.",
        was_default=True,
    )
    split_file: str = option(
        "",
        "source=folder or frames: CSV file that keeps which video is trained, "
        "validated or tested on. Empty: split.csv in root.",
        **FILE,
    )
    validation_fraction: float = option(
        0.1,
        "source=folder or frames: fraction of each class that is drawn to validate on, "
        "of videos that the split file does not know yet.",
        at_least=0,
        below=1,
        was_default=True,
    )
    test_fraction: float = option(
        0.2,
        "source=folder or frames: the same to test on.",
        at_least=0,
        below=1,
        was_default=True,
    )
    split: int = option(
        1,
        "source=ucf101, hmdb51 or tfds: which official train/test lists are used: 1, 2 "
        "or 3; source=array_record: the one that was packed.",
        at_least=1,
        at_most=3,
    )
    batch_size: int = option(
        64, "Clips of one optimizer update, summed over all replicas.", at_least=1
    )
    frames: int = option(32, "Frames of a clip.", at_least=1)
    frame_sampling: Literal["interval", "segments"] = option(
        "interval",
        "Which frames make a clip. interval: frames that are frame_interval apart; "
        "segments: one of each of as many equal segments of the whole video as the "
        "clip has frames, at random in training, the middle in a test.",
        was_default=True,
    )
    frame_interval: int = option(
        2,
        "Distance between the frames of a clip; plays no part in "
        "frame_sampling=segments.",
        at_least=1,
    )
    size: int = option(
        224, "Height and width of a clip in pixels.", at_least=LEAST_SIZE
    )
    crop_area: tuple[float, float] = option(
        (0.08, 1.0),
        "Smallest and largest fraction of the frame's area that a training crop "
        "covers.",
        above=0,
        at_most=1,
    )
    flip: bool = option(
        True, "Mirror half of the training clips; off where left and right matter."
    )
    validation: Literal["test", "split", "groups", "none"] = option(
        "test",
        "Measured after each epoch: test watches the test split (never to choose a "
        "checkpoint), split the validation split of source=folder, frames, list or "
        "array_record, groups holds out training groups, none measures nothing.",
    )
    validation_groups: tuple[int, ...] = option(
        (23, 24, 25), "Training groups (the number after _g) that groups holds out."
    )
    sampling: Literal["uniform", "balanced"] = option(
        "uniform",
        "Training clips of an epoch, which are as many as there are training videos. "
        "uniform: each video once; balanced: each class equally often, and its videos "
        "in turn.",
        was_default=True,
    )
    shuffle_frames: bool = option(
        False,
        "Put the frames of every clip in a random order: an ablation that shows "
        "whether a model uses motion.",
    )
    max_bad_fraction: float = option(
        0.01,
        "Fraction of the training videos that may be unreadable before a run refuses; "
        "one may be in any case, unless it is 0.",
        at_least=0,
        below=1,
        may_change=True,
    )
    threads: int = option(
        0,
        "Clips decoded in parallel; 0 takes every core.",
        at_least=0,
        may_change=True,
    )

    def bad_allowed(self, videos):
        """How many of so many training videos may be unreadable."""
        return max(int(self.max_bad_fraction * videos), int(self.max_bad_fraction > 0))

    def validate(self):
        """Raises ConfigError where options that are valid alone do not go together."""
        low, high = self.crop_area
        require(low <= high, "data.crop_area", "be increasing", self.crop_area)
        fractions = self.validation_fraction + self.test_fraction
        require(
            fractions < 1,
            "data.test_fraction",
            f"leave some videos beside validation_fraction={self.validation_fraction}",
            self.test_fraction,
        )
        self._validate_source()
        require(
            self.validation != "groups" or self.validation_groups,
            "data.validation_groups",
            "name at least one group when data.validation=groups",
            self.validation_groups,
        )

    def _validate_source(self):
        """Raises ConfigError where an option is not for the kind of data set."""
        require(
            self.source not in SIDED or not self.flip,
            "data.flip",
            f"be false under data.source={self.source}: classes depend on left and "
            "right",
            self.flip,
        )
        for name in LISTS:
            require(
                self.source == "list" or not getattr(self, name),
                f"data.{name}",
                f"be empty under data.source={self.source}",
                getattr(self, name),
            )
        require(
            self.source in DRAWN or not self.split_file,
            "data.split_file",
            f"be empty under data.source={self.source}",
            self.split_file,
        )
        require(
            self.source != "list" or self.train_list or self.test_list,
            "data.train_list",
            "be given under data.source=list, or data.test_list to evaluate on",
            self.train_list,
        )
        require(
            self.validation != "split" or self.source in VALIDATED,
            "data.validation",
            f"be test, groups or none under data.source={self.source}, which has no "
            "validation split",
            self.validation,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Views(Section):
    """The views of each test video whose probabilities are averaged."""

    prefix = "views."

    clips: int = option(
        4, "Clips, evenly spaced over the video.", at_least=1, may_change=True
    )
    crops: Literal[1, 3] = option(
        3,
        "Square crops of each clip: 1 (centre) or 3 (along the longer side).",
        may_change=True,
    )
    sampling: Literal["official", "mmaction2", "torchvision"] = option(
        "official",
        "Where the clips of a video lie. official: as Video Swin's authors, in the "
        "middles of equal parts; mmaction2: as its versions from 1.0.0rc2 on, the "
        "first begins and the last ends with the video; torchvision: as its reference "
        f"script, at {TORCHVISION_RATE} frames per second, whatever "
        "data.frame_interval is.",
        may_change=True,
        was_default=True,
    )
    short_side: int = option(
        0,
        "Pixels to which the shorter side of a frame is resized before squares of "
        "data.size are cropped; 0 is data.size: squares as high as the frame is.",
        at_least=0,
        may_change=True,
        was_default=True,
    )
    batch_size_per_replica: int = option(
        4, "Views computed at once by each replica.", at_least=1, may_change=True
    )

    @property
    def count(self):
        """Views of each video."""
        return self.clips * self.crops
