"""SavedModels written by this project: what they hold, and the native model from them.

Beside the graph such a SavedModel keeps `assets.extra/model.json` (architecture, class
names, input, origin) and, where there is one, the classification head as
`assets.extra/head.npz`. Any other SavedModel is opaque: it runs as it is (`model.hub`).
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging

from configs.errors import ConfigError
from configs.schema import ARCHITECTURE
from model.hub import HubBackbone, check_interface, local_directory, read_interface
from model.names import official_names
from model.storage import sha256
from model.video_swin import VideoSwin

DESCRIPTION = Path("assets.extra", "model.json")
HEAD = Path("assets.extra", "head.npz")
SIGNATURE = "serving_default"
VARIABLES = Path("variables", "variables")
# What TensorFlow raises on variables that are missing or damaged.
UNREADABLE = (tf.errors.OpError, ValueError, IndexError)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Handle:
    """A SavedModel that can be rebuilt as the native model."""

    directory: Path
    description: dict

    @property
    def architecture(self):
        """Width, depths, heads, window and patch, as `VideoSwin` takes them."""
        return {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in self.description["architecture"].items()
        }

    @property
    def class_names(self):
        """Names of the head's classes as a tuple; None where they are not known."""
        names = self.description["class_names"]
        return None if names is None else tuple(names)

    def weights(self):
        """The backbone's weights by path."""
        names = official_names(self.architecture["depths"])
        values = read_variables(self.directory)
        if len(values) < len(names):  # a classifier's head may follow
            raise ConfigError(
                f"{self.directory} must hold {len(names)} variables; "
                f"received {len(values)}."
            )
        return dict(zip(names, values, strict=False))

    def head(self):
        """`kernel` [C, classes] and `bias` [classes], or None without a head."""
        if not (self.directory / HEAD).is_file():
            return None
        with np.load(self.directory / HEAD) as arrays:
            return dict(arrays)


def read_variables(directory):
    """The values of a SavedModel's flat list `variables`, empty without one.

    Raises:
        ConfigError: they cannot be read.
    """
    key = "variables/{}/.ATTRIBUTES/VARIABLE_VALUE"
    values = []
    try:
        reader = tf.train.load_checkpoint(str(directory / VARIABLES))
        while reader.has_tensor(key.format(len(values))):
            values.append(reader.get_tensor(key.format(len(values))))
    except UNREADABLE as error:
        raise ConfigError(f"{directory} holds no whole variables: {error}") from error
    return values


def load_handle(handle):
    """What a SavedModel of ours holds; None for one that is opaque.

    Args:
        handle: a path, a tar file or an address.

    Raises:
        ConfigError: there is no SavedModel behind the handle.
    """
    directory = local_directory(handle)
    path = directory / DESCRIPTION
    try:
        description = json.loads(path.read_text()) if path.is_file() else {}
    except ValueError as error:
        raise ConfigError(f"{path} must be JSON: {error}") from error
    if not description.get("architecture"):
        return None
    return Handle(directory=directory, description=description)


def resolve_architecture(config):
    """Fills the architecture of a `configs.schema.Model` from the handle it names.

    Raises:
        ConfigError: a field contradicts the handle, or says what an opaque one is.
    """
    if not config.handle:
        return config
    handle = load_handle(config.handle)
    if handle is None:
        given = [name for name in ARCHITECTURE if getattr(config, name) is not None]
        if given:
            raise ConfigError(
                f"{', '.join(f'model.{name}' for name in given)} must be none where "
                "model.handle is a graph that keeps its architecture to itself; "
                f"received {[getattr(config, name) for name in given]}. "
                "python -m model.convert may turn the handle into a native model."
            )
        return config
    for name, value in handle.architecture.items():
        if getattr(config, name) not in (None, value):
            raise ConfigError(
                f"model.{name} must be {value!r} or none, as model.handle has it; "
                f"received {getattr(config, name)!r}."
            )
    return dataclasses.replace(config, **handle.architecture)


def check_handle(config, *, frames, size):
    """Refuses a handle that does not take the configured clips, without loading it.

    The native model takes clips of any size.

    Args:
        config: `configs.schema.Model`.
        frames: of a clip.
        size: height and width of a clip.

    Raises:
        ConfigError: naming what the handle takes and the flags that would make it fit.
    """
    if config.handle and load_handle(config.handle) is None:
        interface = read_interface(local_directory(config.handle))
        check_interface(interface, frames=frames, size=size)


def graph_fingerprint(config):
    """What tells one opaque handle from another, wherever it lies.

    Args:
        config: `configs.schema.Model`, its architecture resolved.

    Returns:
        The SHA-256 of the handle's graph as hex; None for the native model, which the
        configuration describes whole.
    """
    if config.embed_dim is not None:
        return None
    return sha256(local_directory(config.handle) / "saved_model.pb")


def create_backbone(config):
    """The backbone a configuration asks for, with its variables.

    Called with float [B, frames, 3, height, width], `training` and the examples' `seed`
    [B, 2], it gives features [B, T, H, W, C]. Create it within the strategy's scope.

    Args:
        config: `configs.schema.Model`. Without a handle, weights are random; a handle
            of ours becomes the native model; any other runs as it is.
    """
    config = resolve_architecture(config)
    if config.embed_dim is None:
        logging.info(
            "model.handle runs as it is, a graph of its own: %s. What is random in it "
            "is drawn anew after a restart.",
            config.handle,
        )
        return HubBackbone(config.handle, name="backbone")
    backbone = VideoSwin(
        **{name: getattr(config, name) for name in ARCHITECTURE},
        drop_path=config.drop_path,
        recompute=config.recompute,
        name="backbone",
    )
    if config.handle:
        load_weights(backbone, load_handle(config.handle).weights())
    return backbone


def load_weights(backbone, weights):
    """Assigns weights by path."""
    for path, variable in backbone.named_weights().items():
        variable.assign(weights[path])
