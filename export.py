"""Exports a fine-tuned run whole: uint8 clips in, class probabilities and names out.

    python export.py --workdir=runs/tiny OUTPUT

OUTPUT becomes a SavedModel folder, with OUTPUT.tar.gz beside it. It takes the clips of
the run's config, says how they were cut and measured, and holds the newest checkpoint's
weights (--step takes another). That of a Video Swin is also a handle to fine-tune from;
ending in .pth or .npz, OUTPUT becomes its official state dict instead. Ending in .onnx
(which needs pip install -e '.[onnx]') or in .tflite, it becomes one file for programs
without TensorFlow.
"""

import dataclasses
from pathlib import Path

from absl import flags, logging

from configs.command.errors import ConfigError
from configs.command.flags import define_path, define_step
from configs.command.launch import run, start
from configs.schema.paths import check_utf8
from model import (
    ONNX,
    STATE_DICTS,
    TFLITE,
    check_wanted,
    require_new_output,
    require_onnx,
)

FLAGS = flags.FLAGS
FILES = (*STATE_DICTS, ONNX, TFLITE)
# What a page says of the evaluation of its model.
MEASURED = (
    *("top1", "top1_interval", "top5", "mean_class_accuracy", "videos"),
    *("clips", "crops", "view_sampling", "short_side", "source", "split"),
)


def plan(arguments):
    """Refuses what can be seen to fail at once, and says what is exported."""
    if len(arguments) != 1:
        raise ConfigError(f"export.py takes OUTPUT; received {list(arguments)}.")
    check_utf8(arguments[0], "OUTPUT")
    require_new_output(arguments[0], FILES)
    if Path(arguments[0]).suffix == ONNX:
        require_onnx()
    check_wanted(FLAGS.workdir, "", step=FLAGS.step)
    logging.info("Exporting the run in %s.", FLAGS.workdir)


if __name__ == "__main__":
    define_path("workdir", "Folder of the run.", required=True)
    define_step()
    flags.DEFINE_bool(
        "model.trust_graph", False, "As train.py takes it, for a run that needed it."
    )
    start(plan)  # What follows imports TensorFlow.

from model import (
    open_trained,
    state_dict,
    write_onnx,
    write_saved_model,
    write_state_dict,
    write_tflite,
)
from storage.files import read_json


def main(arguments):
    """Exports the run in --workdir to OUTPUT."""
    trust = FLAGS["model.trust_graph"].value
    export(Path(FLAGS.workdir), Path(arguments[0]), FLAGS.step, trust_graph=trust)


def export(workdir, output, step=None, *, trust_graph=False):
    """Writes a run's model; `output` appears whole or not at all.

    Args:
        workdir: the run's folder.
        output: a folder, or a file ending in one of FILES, that must not exist.
        step: of the checkpoint; "best", that of the best validation; None takes the
            newest.
        trust_graph: whether the run's backbone may be a graph that reaches outside
            itself.

    Raises:
        ConfigError: there is no run, an output exists, a state dict was asked of an
            opaque graph, or the other runtime lacks something.
        CheckpointError: the run has no such checkpoint, or it is damaged.
    """
    require_new_output(output, FILES)

    def trusting(config):
        model = dataclasses.replace(config.model, trust_graph=trust_graph)
        return dataclasses.replace(config, model=model)

    trained = open_trained(workdir, step=step, override=trusting)
    if output.suffix in STATE_DICTS:
        protocol = trained.protocol.known
        write_state_dict(output, state_dict(trained), trained.class_names, protocol)
    elif output.suffix in (ONNX, TFLITE):
        data = trained.config.data
        clip, protocol = (data.frames, data.size, data.size), trained.protocol.known
        write = write_onnx if output.suffix == ONNX else write_tflite
        write(output, trained.model, clip, trained.class_names, protocol)
    else:
        description = describe(trained, output.name)
        description["measured"] = measured(workdir, trained)
        write_saved_model(output, trained, description)
    logging.info("%s: step %d of %s.", output, trained.step, workdir)


def measured(workdir, trained):
    """What the run's own evaluation says; None where it is of other weights.

    Args:
        workdir: the run's folder.
        trained: the `model.trained.Trained` of it.
    """
    result = read_json(Path(workdir) / "evaluation.json")
    if result.get("weights_sha256") != trained.source_sha256:
        return None
    return {name: result[name] for name in MEASURED if name in result}


def describe(trained, name):
    """What `write_saved_model` is told about a run's model."""
    config, size = trained.config, trained.config.data.size
    elsewhere = ("frames", "size")  # In the clip.
    before = config.init_from or config.model.handle or "random weights"
    return {
        "name": name,
        "architecture": config.model.architecture,
        "drop_path_rate": config.model.drop_path_rate,
        "class_names": trained.class_names,
        "clip": (config.data.frames, size, size),
        "protocol": {
            name: value
            for name, value in trained.protocol.known.items()
            if name not in elsewhere
        },
        "licence": "not stated",
        "origin": f"fine-tuned from {before}",
        "source": trained.source,
        "source_sha256": trained.source_sha256,
    }


if __name__ == "__main__":
    run(main)
