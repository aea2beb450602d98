"""Trained models: opened from a run or from a SavedModel, with one verification."""

import contextlib
import dataclasses
from pathlib import Path

from absl import logging

from configs.command.errors import ConfigError
from configs.schema import Data, Experiment, Model, Protocol
from configs.schema.protocol import option_name
from configs.schema.serialization import from_json
from model.backbones import kind_of
from model.classifier import Classifier
from model.create import create_model, graph_fingerprint
from model.wanted import check_wanted
from model.weights.saved_model import load_handle, write_classifier
from storage.checkpoints import CheckpointStore
from storage.choice import step_of
from storage.files import sha256
from storage.run_folder import RunFolder
from storage.trained_videos import (
    TRAINED_VIDEOS,
    TrainedVideos,
    read_trained_videos,
)

VALUES = Path("variables", "variables.data-00000-of-00001")
VIEWS = ("clips", "crops", "view_sampling", "short_side")
# Options of a model that change nothing of what a trained one computes.
FREE = {"trust_graph", "recompute", "drop_path_rate", "dropout"}
# What an evaluation takes from the schema where a SavedModel does not say it.
ASSUMED = ("frame_sampling", "frame_interval", *VIEWS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
    """A model with the weights that it learnt, and what is known about it.

    Attributes:
        config: the `Experiment` that it was trained as, with the options wanted now.
        model: uint8 clips [b, T, 3, H, W] to float32 logits [b, classes].
        class_names: in the order of the logits; numbers as text where they are not
            known.
        class_names_known: whether they are names, though they may look like numbers.
        step: updates that the weights have seen; None where a SavedModel does not say.
        run_split: path of the split of its run; None where lists say it, or the data
            set is another.
        source: name of the checkpoint or SavedModel that holds the weights.
        source_sha256: of the file with their values.
        protocol: how it was shown videos, whatever is wanted now; as far as is known.
        trained_videos: what it was trained on; None where that is not known.
        left_out: names of training videos that the run could not read; None where that
            is not known.
    """

    config: Experiment
    model: Classifier
    class_names: tuple[str, ...]
    class_names_known: bool = True
    source: str
    step: int | None = None
    run_split: str | None = None
    source_sha256: str | None = None
    protocol: Protocol = Protocol()
    trained_videos: TrainedVideos | None = None
    left_out: tuple[str, ...] | None = None


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
        step: the checkpoint's step; "best", that of the best validation; None takes
            the newest.
        override: replaces options of the configuration, a function.
        prepare: called with the configuration before any variable is created; returns
            the context in which they are, such as a strategy's scope.

    Returns:
        `Trained`.

    Raises:
        ConfigError: neither names a trained model, or the SavedModel holds no head.
        CheckpointError: the run has no such checkpoint, or it is damaged.
    """
    check_wanted(workdir, handle, step=step)
    if workdir:
        return _open_run(RunFolder(workdir), step, override, prepare)
    return _open_saved_model(handle, override, prepare)


def _open_run(folder, step, override, prepare):
    own = from_json(folder.saved_config())
    # Whom to trust is the user's to say, not that of the folder that a run came in.
    wary = dataclasses.replace(own.model, trust_graph=False)
    config = override(dataclasses.replace(own, model=wary))
    _refuse_another_model(folder, own.model, config.model)
    protocol = Protocol.of(own)
    tell_differences(protocol, config)
    check_same_graph(folder, config)
    class_names = tuple(folder.class_names)
    with prepare(config):
        model = create_model(
            config.model, num_classes=len(class_names), pretrained=False
        )
        store = CheckpointStore(
            folder / "checkpoints", model, run_id=folder.identity.get("run_id")
        )
        step = store.restore_weights(step_of(folder, step, f"--step={step}"))
    return Trained(
        config=config,
        model=model,
        class_names=class_names,
        step=step,
        run_split=folder.split if _same_data(own, config) else None,
        source=store.folder(step).name,
        source_sha256=store.weights_sha256(step),
        protocol=protocol,
        trained_videos=read_trained_videos(folder / TRAINED_VIDEOS),
        left_out=folder.identity.get("left_out"),
    )


def _same_data(one, other):
    """Whether two `Experiment`s name the same data set."""
    places = [(c.data.source, c.data.root, c.data.split_file) for c in (one, other)]
    return places[0] == places[1]


def _refuse_another_model(folder, own, wanted):
    """Refuses options of the model that are not those the run was trained with."""
    # The graph of a handle is compared by its fingerprint, wherever it lies.
    free = FREE | ({"handle"} if kind_of(own).needs_handle else set())
    before, now = (dataclasses.asdict(model) for model in (own, wanted))
    other = [
        f"model.{name} is {before[name]!r} (received {now[name]!r})"
        for name in before
        if name not in free and before[name] != now[name]
    ]
    if other:
        raise ConfigError(
            "Either --workdir or --model.handle says which model is meant; that of the "
            f"run in {folder.path} differs: {'; '.join(other)}. Leave out one or the "
            "other."
        )


def check_same_graph(folder, config):
    """Refuses to put a run's weights into another graph of a handle than its own.

    Args:
        folder: the `RunFolder` of the run.
        config: the `Experiment` whose model takes them.

    Raises:
        ConfigError: the graph is another.
    """
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
    protocol = handle.protocol
    own = protocol.applied_to(_default(handle, path))
    config = override(own)
    tell_assumptions(protocol, config, path)
    tell_differences(protocol, config)
    num_classes = len(head["bias"])
    with prepare(config):
        model = create_model(config.model, num_classes=num_classes)
        model.head.kernel.assign(head["kernel"])
        model.head.bias.assign(head["bias"])
    class_names = handle.class_names or tuple(map(str, range(num_classes)))
    return Trained(
        config=config,
        model=model,
        class_names=class_names,
        class_names_known=handle.class_names is not None,
        source=Path(path).name,
        source_sha256=sha256(handle.directory / VALUES),
        protocol=protocol,
        trained_videos=handle.trained_videos,
    )


def _default(handle, path):
    """The `Experiment` of a SavedModel where it does not say more."""
    _, height, width = handle.description["clip"]
    if height != width:
        logging.warning(
            "%s was written for clips of %d x %d pixels; squares of %d x %d are cut.",
            path,
            height,
            width,
            height,
            height,
        )
    return Experiment(model=Model(handle=str(path)), data=Data(size=height))


def tell_differences(protocol, config):
    """Logs what is wanted now and was otherwise when the model was trained or measured.

    Args:
        protocol: of the model.
        config: the `Experiment` that is wanted.
    """
    for name, (own, wanted) in protocol.differences(Protocol.of(config)).items():
        logging.warning(
            "%s is %s; the model was %s with %s.",
            option_name(name),
            wanted,
            "measured" if name in VIEWS else "trained",
            own,
        )


def tell_assumptions(protocol, config, path):
    """Logs what a SavedModel does not say and is taken from options."""
    taken = Protocol.of(config).known
    missing = [name for name in ASSUMED if name not in protocol.known]
    if config.data.frame_sampling == "segments":  # Which have no interval.
        missing = [name for name in missing if name != "frame_interval"]
    if missing:
        values = [f"{option_name(name)}={taken[name]}" for name in missing]
        logging.warning(
            "%s does not say how its clips were cut; taken: %s.",
            path,
            ", ".join(values),
        )


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
    write_classifier(
        output, model, description, variables, graph, trained.trained_videos
    )


def state_dict(trained):
    """The model of a `Trained` as tensors by official name.

    Raises:
        ConfigError: its backbone is a foreign graph, which has none.
    """
    head = trained.model.head
    weights = {"kernel": head.kernel.numpy(), "bias": head.bias.numpy()}
    kind = kind_of(trained.config.model)
    return kind.state_dict(trained.model.backbone, weights)
