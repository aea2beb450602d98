"""Trained models: opened from a run or from a SavedModel, with one verification."""

import contextlib
import dataclasses
from pathlib import Path

from configs.command.errors import ConfigError
from configs.schema import Data, Experiment, Model
from configs.schema.serialization import from_json
from model.backbones import kind_of
from model.classifier import Classifier
from model.create import create_model, graph_fingerprint
from model.weights.saved_model import load_handle, write_classifier
from storage.checkpoints import CheckpointStore
from storage.run_folder import RunFolder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
    """A model with the weights that it learnt, and what is known about it.

    Attributes:
        config: the `Experiment` that it was trained as, with the options wanted now.
        model: uint8 clips [b, T, 3, H, W] to float32 logits [b, classes].
        class_names: in the order of the logits; numbers as text where they are not
            known.
        step: updates that the weights have seen; None where a SavedModel does not say.
        source: name of the checkpoint or SavedModel that holds the weights.
        source_sha256: of the file with their values; None for a SavedModel.
    """

    config: Experiment
    model: Classifier
    class_names: tuple[str, ...]
    source: str
    step: int | None = None
    source_sha256: str | None = None


def open_trained(
    workdir,
    handle="",
    *,
    step=None,
    override=lambda config: config,
    prepare=lambda config: contextlib.nullcontext(),
):
    """Opens the model of a run, or of a SavedModel that has a classification head.

    Files of a run are checked against their manifest and SHA-256, and against the run's
    id; nothing in its folder is changed.

    Args:
        workdir: the run's folder; empty opens the handle.
        handle: a SavedModel that model.convert or export.py wrote: a path, a tar file
            or an address.
        step: the checkpoint's step; None takes the newest.
        override: replaces options of the configuration, a function.
        prepare: called with the configuration before any variable is created; returns
            the context in which they are, such as a strategy's scope.

    Returns:
        `Trained`.

    Raises:
        ConfigError: neither names a trained model, or the SavedModel holds no head.
        CheckpointError: the run has no such checkpoint, or it is damaged.
    """
    if workdir:
        return _open_run(RunFolder(workdir), step, override, prepare)
    if handle:
        return _open_saved_model(handle, override, prepare)
    raise ConfigError(
        "--workdir must name a run, or --model.handle a converted checkpoint; "
        "received neither."
    )


def _open_run(folder, step, override, prepare):
    begun = from_json(folder.saved_config())
    # Whom to trust is the user's to say, not that of the folder that a run came in.
    model = dataclasses.replace(begun.model, trust_graph=False)
    config = override(dataclasses.replace(begun, model=model))
    _check_graph(folder, config)
    class_names = tuple(folder.class_names)
    with prepare(config):
        model = create_model(
            config.model, num_classes=len(class_names), pretrained=False
        )
        store = CheckpointStore(
            folder / "checkpoints", model, run_id=folder.identity.get("run_id")
        )
        step = store.restore_weights(step)
    return Trained(
        config=config,
        model=model,
        class_names=class_names,
        step=step,
        source=store.folder(step).name,
        source_sha256=store.weights_sha256(step),
    )


def _check_graph(folder, config):
    """Refuses to put a run's weights into another graph of a handle than its own."""
    before = folder.identity.get("graph_fingerprint")
    now = before and graph_fingerprint(config.model)
    if now != before:
        raise ConfigError(
            f"model.handle must be the graph that the run in {folder.path} was trained "
            f"with, whose saved_model.pb has the SHA-256 {before}; received "
            f"{config.model.handle!r}, whose has {now}."
        )


def _open_saved_model(path, override, prepare):
    handle = load_handle(path)
    head = handle and handle.head()
    if not head:
        raise ConfigError(
            "A classifier must be a SavedModel written by model.convert, from a "
            "checkpoint with a classification head, or by export.py; "
            f"received {str(path)!r}."
        )
    # Clips are of the size that it was written for, unless the user wants another.
    frames, size, _ = handle.description["clip"]
    config = Experiment(
        model=Model(handle=str(path)), data=Data(frames=frames, size=size)
    )
    config = override(config)
    num_classes = len(head["bias"])
    with prepare(config):
        model = create_model(config.model, num_classes=num_classes)
        model.head.kernel.assign(head["kernel"])
        model.head.bias.assign(head["bias"])
    class_names = handle.class_names or tuple(map(str, range(num_classes)))
    source = Path(path).name
    return Trained(config=config, model=model, class_names=class_names, source=source)


def write_saved_model(output, trained, description):
    """Writes the whole classifier as a SavedModel; it appears whole or not at all.

    Args:
        output: the folder, which must not exist; the tar file is `output`.tar.gz.
        trained: a `Trained`.
        description: see `model.weights.saved_model.write_classifier`.

    Raises:
        ConfigError: an output exists.
        StorageError: it could not be written.
    """
    model = trained.model
    variables, graph = kind_of(trained.config.model).saved(model.backbone)
    write_classifier(output, model, description, variables, graph)


def state_dict(trained):
    """The model of a `Trained` as tensors by official name.

    Raises:
        ConfigError: its backbone is a foreign graph, which has none.
    """
    head = trained.model.head
    weights = {"kernel": head.kernel.numpy(), "bias": head.bias.numpy()}
    kind = kind_of(trained.config.model)
    return kind.state_dict(trained.model.backbone, weights)
