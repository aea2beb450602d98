"""Models from their configuration, with every variable created."""

import dataclasses

import tf_keras as keras

from model.backbones import kind_of
from model.classifier import Classifier


def resolve_model(config, begun=None, *, frames, size):
    """Fills what a configuration leaves open, and refuses what cannot work.

    Args:
        config: `configs.schema.Model`.
        begun: the resolved `configs.schema.Model` of the run that is continued, whose
            weights are in its checkpoint; None for a new run.
        frames: of a clip.
        size: height and width of a clip in pixels.

    Returns:
        `configs.schema.Model` with its backbone and architecture set.

    Raises:
        ConfigError: the handle cannot be used, contradicts the configuration, or does
            not take such clips.
    """
    if begun is not None and not kind_of(begun).needs_handle:
        return config.completed(begun)
    config = kind_of(config).resolve(config)
    kind_of(config).check_clip(config, frames=frames, size=size)
    return config


def graph_fingerprint(config):
    """What tells one backbone from another beyond the configuration, or None.

    Args:
        config: `configs.schema.Model`, resolved.
    """
    return kind_of(config).fingerprint(config)


def create_backbone(config):
    """Creates the backbone that a configuration asks for.

    Call it under the strategy's scope.

    Args:
        config: `configs.schema.Model`.

    Returns:
        A `model.backbones.Backbone`.
    """
    kind = kind_of(config)
    return kind.create(kind.resolve(config))


def create_model(config, *, num_classes, seed=None, pretrained=True):
    """The classifier of a run, with its variables created.

    Call it under the strategy's scope.

    Args:
        config: a `configs.schema.Model`.
        num_classes: how many classes the head tells apart.
        seed: of the random initial weights; None leaves them to chance.
        pretrained: whether the backbone takes the weights of `config.handle`; False
            where a checkpoint will be restored, since the handle may be gone.
    """
    if seed is not None:
        keras.utils.set_random_seed(seed)
    if not pretrained and not kind_of(config).needs_handle:
        config = dataclasses.replace(config, handle="")
    model = Classifier(create_backbone(config), num_classes, dropout=config.dropout)
    model.head.build([None, model.backbone.num_features])
    return model
