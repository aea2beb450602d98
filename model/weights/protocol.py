"""How a model is shown videos, as files of weights say it."""

import dataclasses
import json

from configs.command.errors import ConfigError
from configs.schema import Experiment, Model, Protocol
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
        told.applied_to(Experiment(model=Model(handle="any")))
    except (TypeError, ValueError) as error:  # Of which ConfigError is one.
        raise ConfigError(f"{path} must say how clips are cut: {error}") from error
    return told
