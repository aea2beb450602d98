"""What a run begins with: the weights of another run, and the videos known to them."""

import collections
from unicodedata import normalize

import tf_keras as keras
from absl import logging

from configs.command.errors import CheckpointError
from configs.schema import Protocol
from model.backbones import kind_of
from model.trained import check_same_graph, tell_differences
from model.weights.saved_model import load_handle
from storage.checkpoints import CheckpointStore, damage, values_sha256_of
from storage.initial_run import find_initial_run
from storage.run_folder import checkpoint_steps
from storage.trained_videos import (
    TRAINED_VIDEOS,
    TrainedVideos,
    read_trained_videos,
)

CLIP = ("frames", "frame_sampling", "frame_interval", "size")
MOST_NAMED = 10  # New classes that a line names.

# What a `CheckpointStore` asks of a model that is not to be trained.
Weights = collections.namedtuple("Weights", "backbone head optimizer")


def initial_weights(config, folder):
    """Whose weights a run begins with, once they are known to be whole.

    Nothing is loaded. The checkpoint's files are checked against their manifest, and
    the graph of a handle against the one that the other run was trained with.

    Args:
        config: the `Experiment` of the run, resolved.
        folder: its `RunFolder`.

    Returns:
        What run.json says of them: dict of the other run's "run_id", the "step" and
        "weights_sha256", of the file with the values. None for no other run's.

    Raises:
        ConfigError, CheckpointError: see `find_initial_run`; or the graph is another,
            or the checkpoint is damaged.
    """
    initial = find_initial_run(config, folder)
    if initial is None:
        return folder.identity.get("initial_weights")
    check_same_graph(initial.folder, config)
    path = initial.folder / "checkpoints"
    run_id = initial.folder.identity["run_id"]
    checkpoint = path / f"step-{initial.step:08d}"
    reason = damage(checkpoint, {"step": initial.step, "run_id": run_id})
    if reason is not None:
        others = [step for step in checkpoint_steps(path) if step != initial.step]
        raise CheckpointError(
            f"{checkpoint} cannot be used: {reason}. Put a good copy back, or choose "
            f"another step by init_from=RUN@STEP; the others are {others}."
        )
    return {
        "run_id": run_id,
        "step": initial.step,
        "weights_sha256": values_sha256_of(checkpoint),
    }


def take_initial_weights(model, config, folder, class_names):
    """Gives the model of a run that begins the weights of the run in `init_from`.

    The backbone's are taken as they are. Of the head, those of each class that has the
    same name there, whatever its number; other classes keep their random weights. A
    checkpoint's files are verified before they are read; moments stay behind. Logs in
    any case where the weights come from, and which are new.

    Call it on the chief alone and outside the strategy's scope, in which new variables
    would wait for other workers.

    Args:
        model: the `Classifier`, with its variables created.
        config: the `Experiment` of the run, resolved.
        folder: its `RunFolder`, whose run has begun.
        class_names: of the run, in the order of the logits.

    Raises:
        ConfigError, CheckpointError: see `initial_weights`.
    """
    initial = find_initial_run(config, folder)
    handle = config.model.handle
    new = f"new, {len(class_names)} classes"
    if initial is None:
        _log_origin(model, f"from {handle}" if handle else "with random values", new)
        return
    names = initial.folder.class_names
    head = keras.layers.Dense(len(names), kernel_initializer="zeros", dtype="float32")
    head.build([None, model.backbone.num_features])
    store = CheckpointStore(
        initial.folder / "checkpoints",
        Weights(model.backbone, head, optimizer=None),
        run_id=initial.folder.identity["run_id"],
    )
    store.restore_weights(initial.step)
    spared = handle and not kind_of(config.model).needs_handle
    note = f" (and not from model.handle={handle})" if spared else ""
    if config.init_head:
        places = same_names(class_names, names)
        _take_classes(model.head, head, places)
        new = describe_classes(class_names, names, places)
    _log_origin(model, f"from {initial}{note}", new)


def _log_origin(model, origin, head):
    """Logs where the weights of a run that begins come from.

    Args:
        model: the `Classifier`.
        origin: of the backbone's, in words.
        head: what has become of the head's, in words.
    """
    tensors = len(model.backbone.variables)
    logging.info("Backbone: %d tensors %s; head: %s.", tensors, origin, head)


def same_names(class_names, others):
    """Where classes stand among others of the same names.

    Names are the same whichever way a file system codes their accents (Unicode NFC).

    Args:
        class_names: a list of names.
        others: a list of names.

    Returns:
        dict of position in `class_names` -> position in `others`.
    """
    places = {normalize("NFC", name): place for place, name in enumerate(others)}
    places |= {name: place for place, name in enumerate(others)}
    found = (places.get(n, places.get(normalize("NFC", n))) for n in class_names)
    return {own: place for own, place in enumerate(found) if place is not None}


def describe_classes(class_names, others, places):
    """What becomes of a head in words, such as "3 classes kept, 2 new: a, b".

    Args:
        class_names: of the new head.
        others: of the head that they are taken from.
        places: what `same_names` says of them.
    """
    new = [name for own, name in enumerate(class_names) if own not in places]
    left = len(others) - len(set(places.values()))
    parts = [f"{len(places)} classes kept"]
    if left:
        parts.append(f"{left} left out")
    if new:
        more = len(new) - MOST_NAMED
        named = ", ".join(new[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        parts.append(f"{len(new)} new: {named}")
    return ", ".join(parts)


def _take_classes(head, other, places):
    """Copies the weights of classes from one dense layer to another, exactly."""
    own, taken = list(places), list(places.values())
    kernel, bias = head.kernel.numpy(), head.bias.numpy()  # [features, classes]
    kernel[:, own] = other.kernel.numpy()[:, taken]
    bias[own] = other.bias.numpy()[taken]
    head.kernel.assign(kernel)
    head.bias.assign(bias)


def keep_trained_videos(config, folder, clips, after_video):
    """Notes the videos that the run is trained on, and warns if it is tested on some.

    Those that its first weights were trained on are among them, as far as is known.

    Args:
        config: the `Experiment`, resolved.
        folder: the `RunFolder`, whose run has begun.
        clips: the `data.clips.Clips`.
        after_video: called after each video that is read for it.
    """
    path = folder / TRAINED_VIDEOS
    trained = read_trained_videos(path)
    if trained is None:
        trained = clips.identities.trained_videos(after_video=after_video)
        if trained is None:
            return
        if not folder.has_checkpoint:  # What it begins with may be gone later.
            trained |= trained_videos_before(config, folder)
        folder.write(TRAINED_VIDEOS, trained.to_json())
    seen = clips.identities.seen(trained)
    if seen:
        logging.warning(
            "%d of %d test videos are trained on, by content, name or group; the first "
            "is %s. The run's accuracy will say so.",
            len(seen),
            clips.test_size,
            next(iter(seen)),
        )


def trained_videos_before(config, folder):
    """What the weights that a run begins with were trained on, as far as is known.

    Logs where the run's clips are others than those that the weights know.

    Args:
        config: the `Experiment` of a run, resolved.
        folder: its `RunFolder`, which holds no checkpoint yet.

    Returns:
        `TrainedVideos`; empty for random weights and where it is not known.
    """
    initial = find_initial_run(config, folder)
    if initial:
        protocol = Protocol.of(initial.config)
        videos = read_trained_videos(initial.folder / TRAINED_VIDEOS)
        if videos is None:
            logging.warning(
                "%s does not say which videos it was trained on; test videos may be "
                "among them.",
                initial.folder.path,
            )
    else:
        handle = config.model.handle and load_handle(config.model.handle)
        if not handle:
            return TrainedVideos()
        protocol, videos = handle.protocol, handle.trained_videos
    clip = {name: getattr(protocol, name) for name in CLIP}
    tell_differences(Protocol(**clip), config)
    return videos or TrainedVideos()
