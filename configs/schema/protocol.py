"""How a model is shown videos: what its numbers depend on besides weights and videos.

It belongs to a model and travels with it: a run has it in its configuration, a
SavedModel or a state dict in what is written beside the tensors.
"""

import dataclasses

# Where the values stand in an `Experiment`: section ("" is the top), option.
PLACES = {
    "frames": ("data", "frames"),
    "frame_sampling": ("data", "frame_sampling"),
    "frame_interval": ("data", "frame_interval"),
    "size": ("data", "size"),
    "shuffle_frames": ("data", "shuffle_frames"),
    "clips": ("views", "clips"),
    "crops": ("views", "crops"),
    "view_sampling": ("views", "sampling"),
    "short_side": ("views", "short_side"),
    "precision": ("runtime", "precision"),
    "seed": ("", "seed"),
}
# What versions did that do not say it.
FORMER = {"frame_sampling": "interval", "view_sampling": "official", "short_side": 0}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol:
    """The clips of a model and the views of its test; None is not known.

    Attributes:
        frames: of a clip.
        frame_sampling: whether they are at an interval, or from equal segments.
        frame_interval: distance between the frames of a clip, where they are at one.
        size: height and width of a clip in pixels.
        shuffle_frames: whether the frames of a clip are put in a random order.
        clips: of each test video.
        crops: of each clip.
        view_sampling: by whose rule clips are spaced over a test video.
        short_side: pixels of a test frame's shorter side before it is cropped; 0 is
            `size`.
        precision: of the computation.
        seed: of the random order of frames; nothing else in a test is random.
    """

    frames: int | None = None
    frame_sampling: str | None = None
    frame_interval: int | None = None
    size: int | None = None
    shuffle_frames: bool | None = None
    clips: int | None = None
    crops: int | None = None
    view_sampling: str | None = None
    short_side: int | None = None
    precision: str | None = None
    seed: int | None = None

    @classmethod
    def of(cls, config):
        """The protocol of an `Experiment`; all of it is known."""
        return cls(**{name: _get(config, name) for name in PLACES})

    @property
    def known(self):
        """Name -> value of what is known."""
        values = {name: getattr(self, name) for name in PLACES}
        return {name: value for name, value in values.items() if value is not None}

    def applied_to(self, config):
        """An `Experiment` with what is known in the place of its own values.

        Raises:
            ConfigError: a value breaks the rules of its option.
        """
        for section in ("data", "views", "runtime", ""):
            names = [name for name in self.known if PLACES[name][0] == section]
            values = {PLACES[name][1]: self.known[name] for name in names}
            if section:
                values = {
                    section: dataclasses.replace(getattr(config, section), **values)
                }
            config = dataclasses.replace(config, **values)
        return config

    def differences(self, other):
        """Name -> (value here, value there) of what both know and have otherwise.

        The seed counts only where frames are shuffled in both, the interval only where
        frames are at one there.
        """
        theirs = other.known
        counts = {
            "seed": self.shuffle_frames and other.shuffle_frames,
            "frame_interval": other.frame_sampling != "segments",
        }
        return {
            name: (value, theirs[name])
            for name, value in self.known.items()
            if theirs.get(name, value) != value and counts.get(name, True)
        }


def describe(protocol):
    """Sampling and views of a protocol in words; empty where they are not known."""
    known = protocol.known
    parts = []
    if protocol.frame_sampling == "segments":
        parts.append("one from each equal segment of the video")
    elif "frame_interval" in known:
        parts.append(f"frame interval {known['frame_interval']}")
    if "clips" in known and "crops" in known:
        parts.append("measured with {clips} x {crops} views".format(**known))
    return ", ".join([*parts, *unusual(known)])


def unusual(known):
    """How views are cut, in words, where it is not as in the official protocol.

    Args:
        known: dict that may have "view_sampling" and "short_side".

    Returns:
        list of str; empty for what versions did that had no such options.
    """
    parts = []
    if known.get("view_sampling", "official") != "official":
        parts.append(f"clips placed as by {known['view_sampling']}")
    if known.get("short_side"):
        parts.append(f"short side {known['short_side']}")
    return parts


def option_name(name):
    """The dotted option of a value, as on the command line."""
    return ".".join(filter(None, PLACES[name]))


def _get(config, name):
    section, option = PLACES[name]
    return getattr(getattr(config, section) if section else config, option)
