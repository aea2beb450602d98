"""Exports a fine-tuned run whole: uint8 clips in, class probabilities and names out.

    python -m model.export --workdir=runs/tiny OUTPUT

OUTPUT becomes a SavedModel folder, with OUTPUT.tar.gz beside it. It takes the clips of
the run's config and holds the newest checkpoint's weights (--step takes another). A
native model's is also a handle to fine-tune from; ending in .pth or .npz, OUTPUT
becomes its official state dict instead.
"""

import json
from pathlib import Path

import tensorflow as tf
from absl import flags, logging

from configs.errors import CheckpointError, ConfigError
from configs.flags import from_json, run
from configs.schema import ARCHITECTURE
from model.architecture import to_state_dict
from model.checkpoints import write_state_dict
from model.classifier import create_model
from model.convert import STATE_DICTS
from model.handles import UNREADABLE
from model.saved_model import write_classifier
from model.storage import sha256, written_aside
from model.video_swin import VideoSwin

FLAGS = flags.FLAGS


def define():
    """Defines the flags of this command."""
    flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
    flags.DEFINE_integer("step", None, "Step of the checkpoint; none takes the newest.")


def main(arguments):
    """Exports the run in --workdir to OUTPUT."""
    if len(arguments) != 1:
        raise ConfigError(
            f"python -m model.export takes OUTPUT; received {list(arguments)}."
        )
    export(Path(FLAGS.workdir), Path(arguments[0]), FLAGS.step)


def export(workdir, output, step=None):
    """Writes a run's model; `output` appears whole or not at all.

    Args:
        workdir: the run's folder, with `config.json`, `run.json` and `checkpoints/`.
        output: folder, or file ending in .pth or .npz, that must not exist.
        step: of the checkpoint; None takes the newest.

    Raises:
        ConfigError: there is no run, an output exists, or a state dict was asked of an
            opaque graph.
        CheckpointError: the run has no such checkpoint, or it does not fit.
    """
    try:
        config = from_json((workdir / "config.json").read_text())
        class_names = json.loads((workdir / "run.json").read_text())["class_names"]
    except FileNotFoundError as error:
        raise ConfigError(f"--workdir must be the folder of a run: {error}") from error
    folder = checkpoint_folder(workdir / "checkpoints", step)
    model = create_model(config.model, classes=len(class_names), pretrained=False)
    restore(model, folder)
    if output.suffix in STATE_DICTS:
        write_official(output, model, class_names)
    else:
        write_classifier(
            output, model, describe(config, folder, output.name, class_names)
        )
    logging.info("%s: %s of %s.", output, folder.name, workdir)


def restore(model, folder):
    """Gives a model the weights of a run's checkpoint."""
    parts = tf.train.Checkpoint(backbone=model.backbone, head=model.head)
    try:
        status = parts.read(str(folder / "variables"))
        status.assert_existing_objects_matched().expect_partial()
    except (AssertionError, *UNREADABLE) as error:
        raise CheckpointError(f"{folder} cannot be used: {error}") from error


def describe(config, folder, name, class_names):
    """What `write_classifier` is told about a run's model."""
    size = config.data.size
    architecture = {field: getattr(config.model, field) for field in ARCHITECTURE}
    return {
        "name": name,
        "architecture": architecture if config.model.embed_dim else None,
        "drop_path": config.model.drop_path,
        "class_names": class_names,
        "clip": (config.data.frames, size, size),
        "licence": "not stated",
        "origin": f"fine-tuned from {config.model.handle or 'random weights'}",
        "source": folder.name,
        "source_sha256": sha256(folder / "variables.data-00000-of-00001"),
    }


def write_official(output, model, class_names):
    """Writes a native model as the official state dict."""
    if not isinstance(model.backbone, VideoSwin):
        raise ConfigError(
            "Only a native model has a state dict; this run tuned an opaque graph. "
            f"OUTPUT must be a folder; received {output.name!r}."
        )
    weights = {
        path: variable.numpy()
        for path, variable in model.backbone.named_weights().items()
    }
    weights |= {
        "head/kernel": model.head.kernel.numpy(),
        "head/bias": model.head.bias.numpy(),
    }
    with written_aside(output) as path:
        tensors = to_state_dict(weights, model.backbone.options)
        write_state_dict(path, tensors, class_names)


def checkpoint_folder(checkpoints, step):
    """The folder of a step's checkpoint, or of the newest.

    A name `step-…` is given to complete checkpoints only.
    """
    pattern = "step-*" if step is None else f"step-{step:08d}"
    folders = sorted(
        path for path in checkpoints.glob(pattern) if path.name[5:].isdecimal()
    )
    if not folders:
        raise CheckpointError(f"There is no checkpoint {pattern} in {checkpoints}.")
    return folders[-1]


if __name__ == "__main__":
    define()
    run(main)
