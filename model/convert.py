"""Turns weights of any known form into a TF-Hub SavedModel, or into a state dict.

    python -m model.convert swin_tiny_patch244_window877_kinetics400_1k.pth swin_tiny
    python -m model.convert --clip=16x112x112 --head CHECKPOINT OUTPUT
    python -m model.convert swin_tiny back.pth

CHECKPOINT is what PyTorch saved, safetensors, .npz, or a SavedModel (ours or the
predecessor's); docs/weights.md names the projects whose tensors it knows. OUTPUT
becomes a folder, with OUTPUT.tar.gz beside it; ending in .pth or .npz, it becomes the
official state dict instead.
"""

from pathlib import Path

from absl import flags, logging

from configs.command.errors import ConfigError
from configs.command.flags import define_path
from configs.command.launch import run, start
from configs.schema import Model, Protocol
from configs.schema.paths import check_utf8
from model.weights.class_names import checked_class_names, read_class_names
from model.weights.outputs import STATE_DICTS, require_checkpoint, require_new_output

FLAGS = flags.FLAGS


def define():
    """Defines the flags of this command."""
    flags.DEFINE_string(
        "clip",
        None,
        "Clips the SavedModel takes: frames x height x width; empty takes what the "
        "checkpoint says, or else 32x224x224.",
    )
    flags.DEFINE_string(
        "variant",
        None,
        "Name of a released model; the checkpoint is checked against it. A file "
        "named after a released model is checked in any case.",
    )
    flags.DEFINE_bool(
        "head", False, "Export the whole classifier: uint8 clips to probabilities."
    )
    define_path("class_names", "File with one class name a line.")
    flags.DEFINE_string(
        "window_size",
        None,
        "Window of an inflated 2D model: frames x height x width; by default 8 frames "
        "and the model's own sides. That of a video model is taken where the "
        "checkpoint has no index table, and else only checked.",
    )


def plan(arguments):
    """Refuses what can be seen to fail at once, and says what is converted.

    Returns:
        What `convert` takes, as a dict.
    """
    if len(arguments) != 2:
        raise ConfigError(
            "python -m model.convert takes CHECKPOINT and OUTPUT; "
            f"received {list(arguments)}."
        )
    checkpoint, output = arguments
    check_utf8(output, "OUTPUT")
    require_checkpoint(checkpoint)
    require_new_output(output)
    options = {
        "checkpoint": checkpoint,
        "output": output,
        "clip": FLAGS.clip and sizes(FLAGS.clip, "--clip"),
        "variant": FLAGS.variant,
        "head": FLAGS.head,
        "class_names": FLAGS.class_names and read_class_names(FLAGS.class_names),
        "window_size": FLAGS.window_size and sizes(FLAGS.window_size, "--window_size"),
    }
    logging.info("Converting %s.", checkpoint)
    return options


def sizes(text, flag):
    """Three positive sizes from text like 32x224x224."""
    parts = text.split("x")
    if len(parts) != 3 or not all(part.isdecimal() and int(part) for part in parts):
        raise ConfigError(
            f"{flag} must be frames x height x width, like 32x224x224; "
            f"received {text!r}."
        )
    return tuple(map(int, parts))


if __name__ == "__main__":
    define()
    PLAN = start(plan)  # What follows imports TensorFlow.

from model.create import create_backbone, create_model
from model.weights.architecture import (
    infer_architecture,
    require_sane_window,
    to_native,
    to_state_dict,
    window_text,
)
from model.weights.formats import read_weights, write_state_dict
from model.weights.inflation import inflate, inflated_window, is_2d
from model.weights.names import HEAD_NAMES
from model.weights.protocol import clip_facts
from model.weights.released import LICENCE, ORIGIN, RELEASED, check_variant
from model.weights.saved_model import in_order, write_backbone, write_classifier

DROP_PATH_RATE = 0.1  # of the official T and S; what an unnamed model trains with


def convert(
    checkpoint,
    output,
    *,
    clip=None,
    variant=None,
    head=False,
    class_names=None,
    window_size=None,
):
    """Converts a checkpoint; writes `output` whole or not at all.

    Args:
        checkpoint: path of a file or SavedModel, or its address.
        output: folder, or file ending in .pth or .npz, that must not exist.
        clip: (frames, height, width) of the SavedModel's clips; None takes those of the
            checkpoint, or (32, 224, 224) where it does not say.
        variant: name of a released model to check against.
        head: whether to export the whole classifier.
        class_names: of the head; None takes those of the checkpoint.
        window_size: (t, h, w) of an inflated 2D model, or of a video model: taken where
            the checkpoint has no index table, and else checked.

    Raises:
        ConfigError: the checkpoint cannot be read, does not fit, or is not what its
            name says; or an output exists.
    """
    output = Path(output)
    require_new_output(output)
    source = read_weights(checkpoint)
    weights, architecture = as_native(source.tensors, window_size)
    num_classes = len(weights["head/bias"]) if "head/bias" in weights else None
    variant = variant or source.variant
    if variant:
        check_variant(variant, architecture, num_classes)
    class_names = names_of_classes(source, num_classes, class_names, head)
    logging.info("%s, %s classes.", architecture, num_classes)
    protocol = shown(source, variant)
    if output.suffix in STATE_DICTS:
        tensors = to_state_dict(weights, architecture)
        write_state_dict(output, tensors, class_names, protocol=protocol.known)
        return
    description = provenance(source, variant) | {
        "name": variant or output.name,
        "architecture": architecture,
        "class_names": class_names,
        **clip_facts(protocol, clip, source.description.get("clip")),
    }
    write = write_whole if head else write_features
    write(output, weights, description, source.trained_videos)


def as_native(tensors, window_size):
    """Official tensors as our weights by path, and their architecture.

    Args:
        tensors: by official name, of a video model or of a 2D one.
        window_size: as `convert` takes it.
    """
    if is_2d(tensors):
        logging.info("A 2D model: inflated; its head knows images and is left out.")
        require_sane_window(window_size or ())
        window_size = window_size or inflated_window(tensors)
        tensors = inflate(tensors, window_size)
    architecture = infer_architecture(tensors, window_size)
    found = architecture["window_size"]
    if window_size not in (None, found):
        raise ConfigError(
            f"--window_size must be {window_text(found)}, as the checkpoint has it; "
            f"received {window_text(window_size)}."
        )
    return to_native(tensors, architecture), architecture


def shown(source, variant):
    """The `Protocol` of a checkpoint: what it says itself, or what is published.

    Args:
        source: the `OfficialWeights` that is converted.
        variant: name of the released model that it is, or None.
    """
    published = RELEASED[variant].protocol if variant else Protocol()
    return Protocol(**(published.known | source.protocol.known))


def write_features(output, weights, description, trained_videos=None):
    """Writes the backbone, with the head's weights beside it where there are any."""
    backbone = create_backbone(native_config(description))
    backbone.assign_weights(weights)
    head = {
        path.removeprefix("head/"): weights[path]
        for path in HEAD_NAMES
        if path in weights
    }
    write_backbone(output, backbone, description, head, trained_videos)


def write_whole(output, weights, description, trained_videos=None):
    """Writes backbone and head as one classifier."""
    num_classes = len(weights["head/bias"])
    model = create_model(native_config(description), num_classes=num_classes)
    model.backbone.assign_weights(weights)
    model.head.set_weights([weights["head/kernel"], weights["head/bias"]])
    variables = in_order(model.backbone)
    write_classifier(
        output, model, description, variables, trained_videos=trained_videos
    )


def native_config(description):
    """The `configs.schema.Model` of a description."""
    return Model(
        **description["architecture"], drop_path_rate=description["drop_path_rate"]
    )


def provenance(source, variant):
    """What a description says about where a model comes from.

    A SavedModel of ours says it itself.

    Args:
        source: the `OfficialWeights` that is converted.
        variant: name of the released model that it is, or None.
    """
    facts = {
        "licence": "not stated",
        "origin": "not stated",
        "training": None,
        "drop_path_rate": DROP_PATH_RATE,
        "source": source.source,
        "source_sha256": source.sha256,
    }
    if variant:
        released = RELEASED[variant]
        facts |= {
            "licence": LICENCE,
            "origin": ORIGIN,
            "training": released.training,
            "drop_path_rate": released.drop_path_rate,
        }
    return {name: source.description.get(name, fact) for name, fact in facts.items()}


def names_of_classes(source, num_classes, class_names, head):
    """The names of a head's classes; None where they are not known.

    Args:
        source: the `OfficialWeights` that is converted.
        num_classes: of its head; None where it has none.
        class_names: those that the user gives, or None.
        head: whether the head is to be exported.

    Raises:
        ConfigError: the names do not fit the head, or there is none.
    """
    if head and num_classes is None:
        raise ConfigError("--head needs a checkpoint with a classification head.")
    if class_names is None and num_classes is not None:
        class_names = source.class_names
    class_names = checked_class_names(class_names)
    if class_names and len(class_names) != num_classes:
        raise ConfigError(
            f"The class names must be as many as the head's classes, {num_classes}; "
            f"received {len(class_names)}."
        )
    return class_names


if __name__ == "__main__":
    run(lambda _: convert(**PLAN))
