"""How a model is shown videos, as files of weights say it."""

import dataclasses
import json

from configs.command.errors import ConfigError
from configs.schema import Data, Experiment, Model, Protocol
from configs.schema.data import LEAST_SIZE
from configs.schema.protocol import FORMER
from storage.records import decode

# Of `meta` in what PyTorch saves, beside CLASSES: `Protocol.known` of the model.
PROTOCOL = "video_protocol"
VIEWS = ("view_sampling", "short_side")  # What is said with the crops, if at all.


def read_protocol(values, path, clip=None):
    """Checks a protocol that was read from a file.

    Args:
        values: what the file says: `Protocol.known` of the one who wrote it; None where
            it says nothing.
        path: the file, for messages.
        clip: (frames, height, width) where the file says them beside it.

    Returns:
        `Protocol`.

    Raises:
        ConfigError: it is of another form, or breaks the rules of an option.
    """
    try:
        told = decode(json.dumps({} if values is None else values), Protocol)
        if told.frame_sampling is None and told.frame_interval is not None:
            # Written before there were segments.
            told = dataclasses.replace(told, frame_sampling=FORMER["frame_sampling"])
        if told.crops is not None:  # Before there were views of other kinds.
            told = Protocol(**{name: FORMER[name] for name in VIEWS} | told.known)
        if clip is not None:
            frames, height, width = clip
            size = height if height == width else None
            told = dataclasses.replace(told, frames=frames, size=size)
        # Where no size is said, none may be too large for the rest.
        data = Data(size=LEAST_SIZE)
        told.applied_to(Experiment(model=Model(handle="any"), data=data))
    except (TypeError, ValueError) as error:  # Of which ConfigError is one.
        raise ConfigError(f"{path} must say how clips are cut: {error}") from error
    return told


def clip_facts(protocol, clip, own=None):
    """`clip` and `protocol` of a description.

    The short side grows and shrinks with the clip: as much of a frame is seen.

    Args:
        protocol: what is known of the model.
        clip: (frames, height, width) where they are given; None takes the model's.
        own: those of the model, where it says more than its protocol.
    """
    known = dict(protocol.known)
    frames, size = known.pop("frames", 32), known.pop("size", 224)
    own = tuple(own or (frames, size, size))
    clip = tuple(clip or own)
    if known.get("short_side"):
        known["short_side"] = round(known["short_side"] * clip[1] / own[1])
    return {"clip": clip, "protocol": known}
