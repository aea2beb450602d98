"""What each kind of backbone has to provide, and the two kinds that there are.

A third kind needs a name in `configs.schema.Model.backbone`, a class here that fulfils
`Kind`, and a Keras layer that fulfils `Backbone`; see docs/extending.md.
"""

import dataclasses
import re
import typing

from absl import logging

from configs.command.errors import ConfigError
from configs.schema.model import ARCHITECTURE, size_of
from configs.schema.section import require
from model.hub.backbone import HubBackbone
from model.hub.saved_model import check_interface, local_directory, read_interface
from model.hub.trust import check_graph
from model.video_swin.backbone import VideoSwin
from model.weights.architecture import to_state_dict
from model.weights.saved_model import in_order, load_handle
from storage.files import sha256


class Backbone(typing.Protocol):
    """What the classifier and the optimizer ask of a backbone, a Keras layer.

    Attributes:
        num_features: C of the output.
        no_weight_decay: a pattern that finds the names of variables that do not decay:
            norms and biases of positions.
    """

    num_features: int
    no_weight_decay: re.Pattern

    def draw_masks(self, seed):
        """Draws whatever is random about examples in training.

        Apart from the call, which XLA may compile: there the same seeds would give
        other numbers.

        Args:
            seed: int32 [B, 2], one for each example; the masks of an example must be a
                pure function of its seed.

        Returns:
            A tensor [B, ...] or a structure of such; () where nothing is random.
        """

    def __call__(self, clip, training=False, masks=()):
        """Features of clips.

        Args:
            clip: float [B, frames, 3, height, width], normalised.
            training: whether random layers are active.
            masks: what `draw_masks` has drawn for these clips, where training.

        Returns:
            float [B, T, H, W, C].
        """


class Kind(typing.Protocol):
    """What is known about all backbones of one kind.

    Attributes:
        needs_handle: whether a run needs `model.handle` even if it has a checkpoint,
            because configuration and weights alone do not make the backbone.
    """

    needs_handle: bool

    def resolve(self, config):
        """Fills what a `configs.schema.Model` leaves open from the handle it names.

        Raises:
            ConfigError: a field contradicts the handle.
        """

    def check_clip(self, config, *, frames, size):
        """Raises ConfigError unless clips of this size can be given to the backbone.

        Without loading it: a run must not begin that cannot go on.
        """

    def fingerprint(self, config):
        """What tells one backbone from another beyond the configuration, or None."""

    def create(self, config):
        """The `Backbone` with its variables; with weights where a handle is named."""

    def saved(self, backbone):
        """What a SavedModel of the backbone has to keep.

        Returns:
            (its variables, in the order in which they are kept; a further object that
            its function needs, or None).
        """

    def state_dict(self, backbone, head):
        """Backbone and head ({"kernel", "bias"}) as tensors by official name.

        Raises:
            ConfigError: the official implementation has no such backbone.
        """


class VideoSwinKind:
    """Video Swin, built here; its weights may come from a SavedModel of ours."""

    needs_handle = False

    def resolve(self, config):
        """Takes the architecture of the handle; see `Kind`."""
        if not config.handle:
            return dataclasses.replace(config, backbone="video_swin")
        handle = load_handle(config.handle)
        if handle is None:
            raise ConfigError(
                "model.backbone=video_swin needs a model.handle that model.convert or "
                f"export.py wrote; received {config.handle!r}, a graph that keeps its "
                "architecture to itself. model.backbone=hub runs it as it is."
            )
        given = {name: getattr(config, name) for name in ARCHITECTURE}
        _refuse_another(handle.architecture, given, config.handle)
        if config.architecture_from == "handle" and None in given.values():
            shown = [f"{name}={value}" for name, value in handle.architecture.items()]
            logging.info(
                "model.handle decides the architecture: a %s (%s).",
                size_of(handle.architecture),
                ", ".join(shown),
            )
        return dataclasses.replace(config, backbone="video_swin", **handle.architecture)

    def check_clip(self, config, *, frames, size):
        """Any clip will do; see `Kind`."""

    def fingerprint(self, config):
        """None: the configuration says everything; see `Kind`."""

    def create(self, config):
        """A `VideoSwin`; see `Kind`."""
        weights = load_handle(config.handle).weights() if config.handle else {}
        backbone = VideoSwin(
            **config.architecture,
            drop_path_rate=config.drop_path_rate,
            recompute=config.recompute,
            name="backbone",
        )
        for path, variable in backbone.named_weights().items() if weights else ():
            require(
                weights[path].shape == variable.shape,
                "model.handle",
                f"hold {path} of the shape {list(variable.shape)}",
                list(weights[path].shape),
            )
        if weights:
            backbone.assign_weights(weights)
        return backbone

    def saved(self, backbone):
        """Variables in the order that `load_handle` expects; see `Kind`."""
        return in_order(backbone), None

    def state_dict(self, backbone, head):
        """The official state dict; see `Kind`."""
        weights = {
            path: variable.numpy()
            for path, variable in backbone.named_weights().items()
        }
        weights |= {f"head/{name}": value for name, value in head.items()}
        return to_state_dict(weights, backbone.architecture)


def _refuse_another(architecture, given, handle):
    """Refuses a handle that holds another network than the options describe.

    Args:
        architecture: of the handle, a dict of option -> value.
        given: the same of the options; None is open.
        handle: its name.
    """
    other = [
        f"model.{name} is {value!r} there, {given[name]!r} here"
        for name, value in architecture.items()
        if given[name] not in (None, value)
    ]
    if other:
        raise ConfigError(
            f"model.handle={handle!r} holds another network, a "
            f"{size_of(architecture)}, than the options describe, a {size_of(given)}: "
            f"{'; '.join(other)}. --model.architecture_from=handle takes the handle's "
            "where these options come from --config; leave their flags out."
        )


class HubKind:
    """A SavedModel that runs as it is."""

    needs_handle = True

    def resolve(self, config):
        """Refuses options that only a Video Swin has; see `Kind`."""
        given = [name for name in ARCHITECTURE if getattr(config, name) is not None]
        if given:
            raise ConfigError(
                f"{', '.join(f'model.{name}' for name in given)} must be none where "
                "model.handle is a graph that keeps its architecture to itself; "
                f"received {[getattr(config, name) for name in given]}. "
                "python -m model.convert may turn the handle into a native model."
            )
        return dataclasses.replace(config, backbone="hub")

    def check_clip(self, config, *, frames, size):
        """Asks the handle's signature, and reads what it may do; see `Kind`."""
        directory = local_directory(config.handle)
        check_interface(read_interface(directory), frames=frames, size=size)
        check_graph(directory, trusted=config.trust_graph)

    def fingerprint(self, config):
        """The SHA-256 of the graph, wherever it lies; see `Kind`."""
        return sha256(local_directory(config.handle) / "saved_model.pb")

    def create(self, config):
        """A `HubBackbone`; see `Kind`."""
        logging.info(
            "model.handle runs as it is, a graph of its own: %s. What is random in it "
            "is drawn again after a restart.",
            config.handle,
        )
        return HubBackbone(config.handle, trusted=config.trust_graph, name="backbone")

    def saved(self, backbone):
        """All variables, and the graph itself; see `Kind`."""
        return backbone.variables, backbone.inner.resolved_object

    def state_dict(self, backbone, head):
        """A foreign graph has none; see `Kind`."""
        raise ConfigError(
            "Only a video_swin has a state dict; this model runs a graph as it is. "
            "OUTPUT must be a folder."
        )


def kind_of(config):
    """The `Kind` of backbone that a `configs.schema.Model` asks for."""
    match config.backbone:
        case "video_swin":
            return VideoSwinKind()
        case "hub":
            return HubKind()
    # Left open: the handle decides.
    native = not config.handle or load_handle(config.handle) is not None
    return VideoSwinKind() if native else HubKind()
