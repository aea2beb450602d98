"""Turns weights of any known form into a TF-Hub SavedModel, or into a state dict.

    python -m model.convert swin_tiny_patch244_window877_kinetics400_1k.pth swin_tiny
    python -m model.convert --clip=16x112x112 --head CHECKPOINT OUTPUT
    python -m model.convert swin_tiny back.pth

CHECKPOINT is what PyTorch saved, safetensors, .npz, or a SavedModel (ours or the
predecessor's). OUTPUT becomes a folder, with OUTPUT.tar.gz beside it; ending in .pth or
.npz, it becomes the official state dict instead.
"""

from pathlib import Path

from absl import flags, logging

from configs.errors import ConfigError
from configs.flags import run
from configs.schema import Model
from model.architecture import (
    infer_architecture,
    infer_classes,
    to_native,
    to_state_dict,
)
from model.checkpoints import read_checkpoint, write_state_dict
from model.classifier import create_model
from model.handles import create_backbone, load_weights
from model.inflation import inflate, is_2d
from model.names import HEAD
from model.saved_model import write_backbone, write_classifier
from model.storage import written_aside
from model.variants import LICENCE, ORIGIN, RELEASED, check_variant

FLAGS = flags.FLAGS
STATE_DICTS = (".pth", ".npz")
DROP_PATH = 0.1  # of the official T and S; what an unnamed model trains with


def define():
    """Defines the flags of this command."""
    flags.DEFINE_string(
        "clip", "32x224x224", "Clips the SavedModel takes: frames x height x width."
    )
    flags.DEFINE_string(
        "variant",
        None,
        "Name of a released model; the checkpoint is checked against it. A checkpoint "
        "that bears such a name is checked in any case.",
    )
    flags.DEFINE_bool(
        "head", False, "Export the whole classifier: uint8 clips to probabilities."
    )
    flags.DEFINE_string("class_names", None, "File with one class name a line.")
    flags.DEFINE_string(
        "window",
        None,
        "Window of an inflated 2D model: frames x height x width; by default 8 frames "
        "and the model's own sides. A video model is only checked against it.",
    )


def main(arguments):
    """Converts CHECKPOINT into OUTPUT."""
    if len(arguments) != 2:
        raise ConfigError(
            "python -m model.convert takes CHECKPOINT and OUTPUT; "
            f"received {list(arguments)}."
        )
    convert(
        *arguments,
        clip=sizes(FLAGS.clip, "--clip"),
        variant=FLAGS.variant,
        head=FLAGS.head,
        class_names=FLAGS.class_names and read_class_names(FLAGS.class_names),
        window=FLAGS.window and sizes(FLAGS.window, "--window"),
    )


def convert(
    checkpoint,
    output,
    *,
    clip=(32, 224, 224),
    variant=None,
    head=False,
    class_names=None,
    window=None,
):
    """Converts a checkpoint; writes `output` whole or not at all.

    Args:
        checkpoint: path of a file or SavedModel, or its address.
        output: folder, or file ending in .pth or .npz, that must not exist.
        clip: (frames, height, width) of the SavedModel's clips.
        variant: name of a released model to check against.
        head: whether to export the whole classifier.
        class_names: of the head; None takes those of the checkpoint.
        window: (t, h, w) of an inflated 2D model, or to check against.

    Raises:
        ConfigError: the checkpoint cannot be read, does not fit, or is not what its
            name says; or an output exists.
    """
    output = Path(output)
    source = read_checkpoint(checkpoint)
    tensors = source.tensors
    if is_2d(tensors):
        logging.info("A 2D model: inflated; its head knows images and is left out.")
        tensors = inflate(tensors, window)
    architecture = infer_architecture(tensors)
    if window not in (None, architecture["window"]):
        raise ConfigError(
            f"--window must be {architecture['window']}, as the checkpoint has it; "
            f"received {window}."
        )
    weights = to_native(tensors, architecture)
    classes = infer_classes(tensors)
    variant = variant or source.variant
    if variant:
        check_variant(variant, architecture, classes)
    class_names = class_names or source.class_names
    check_classes(classes, class_names, head)
    logging.info("%s, %s classes.", architecture, classes)
    if output.suffix in STATE_DICTS:
        with written_aside(output) as path:
            write_state_dict(path, to_state_dict(weights, architecture), class_names)
        return
    origin = provenance(variant) | {
        "source": source.source,
        "source_sha256": source.sha256,
    }
    # A SavedModel of ours says itself where it came from.
    origin = {key: source.description.get(key, value) for key, value in origin.items()}
    description = origin | {
        "name": variant or output.name,
        "architecture": architecture,
        "class_names": class_names,
        "clip": clip,
    }
    write = write_whole if head else write_features
    write(output, weights, description)


def write_features(output, weights, description):
    """Writes the backbone, with the head's weights beside it where there are any."""
    backbone = create_backbone(native_config(description))
    load_weights(backbone, weights)
    head = {path[5:]: weights[path] for path in HEAD if path in weights}
    write_backbone(output, backbone, description, head)


def write_whole(output, weights, description):
    """Writes backbone and head as one classifier."""
    classes = len(weights["head/bias"])
    model = create_model(native_config(description), classes=classes)
    load_weights(model.backbone, weights)
    model.head.set_weights([weights["head/kernel"], weights["head/bias"]])
    write_classifier(output, model, description)


def native_config(description):
    """The `configs.schema.Model` of a description."""
    return Model(**description["architecture"], drop_path=description["drop_path"])


def provenance(variant):
    """Licence, origin and stochastic depth of a released model, or of any other."""
    if variant is None:
        unknown = "not stated"
        return {"licence": unknown, "origin": unknown, "drop_path": DROP_PATH}
    return {
        "licence": LICENCE,
        "origin": ORIGIN,
        "drop_path": RELEASED[variant].drop_path,
    }


def check_classes(classes, class_names, head):
    """Refuses class names that do not fit the head, and a head that is not there."""
    if head and classes is None:
        raise ConfigError("--head needs a checkpoint with a classification head.")
    if class_names and len(class_names) != classes:
        raise ConfigError(
            f"The class names must be as many as the head's classes, {classes}; "
            f"received {len(class_names)}."
        )


def sizes(text, flag):
    """Three positive sizes from text like 32x224x224."""
    parts = text.split("x")
    if len(parts) != 3 or not all(part.isdecimal() and int(part) for part in parts):
        raise ConfigError(
            f"{flag} must be frames x height x width, like 32x224x224; "
            f"received {text!r}."
        )
    return tuple(map(int, parts))


def read_class_names(path):
    """Non-empty lines of a file."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"--class_names must be a readable file: {error}") from error
    return tuple(line.strip() for line in lines if line.strip())


if __name__ == "__main__":
    define()
    run(main)
