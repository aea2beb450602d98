"""Which videos a model may be measured on, and where the results belong."""

import collections
import os
from pathlib import Path
from unicodedata import normalize

from absl import logging

from configs.command.errors import ConfigError
from configs.schema import Protocol
from configs.schema.protocol import FORMER
from configs.schema.serialization import from_json
from model.evaluation.report import suffix_of
from storage.files import read_json
from storage.run_folder import checkpoint_steps
from storage.trained_videos import TRAINED_VIDEOS, read_trained_videos


def own_suffix(folder, trained, clips):
    """What the names of results in a run's folder have to say; "" for the run's own.

    Args:
        folder: the `RunFolder`.
        trained: the `Trained` that was opened from it.
        clips: the `Clips` that are measured.
    """
    own = from_json(folder.saved_config())
    fingerprint = clips.identities.test_fingerprint()
    measured = read_json(folder / "evaluation.json").get("test_fingerprint")
    same = measured == fingerprint
    if measured in (None, clips.identities.listed_fingerprint):
        # Nothing says of which content the run's own videos are.
        listed = folder.identity.get("evaluation_fingerprint")
        same = listed in (None, clips.identity["evaluation_fingerprint"])
    newest = checkpoint_steps(folder / "checkpoints")[0]
    suffix = suffix_of(
        own,
        trained.config,
        step=trained.step if trained.step != newest else None,
        videos=None if same else fingerprint,
    )
    if suffix:
        logging.info(
            "Not the run's own evaluation: written as evaluation%s.json and so on.",
            suffix,
        )
    return suffix


def require_folder(output):
    """Raises ConfigError where a path for results is, or lies below, a file."""
    found = next((p for p in (output, *output.parents) if os.path.lexists(p)), output)
    if os.path.lexists(found) and not os.path.isdir(found):
        raise ConfigError(
            f"--output must be a folder, or a path where one can be; {found} is none."
        )


def facts_before(trained):
    """What is known of an evaluation before its videos are opened, by name.

    Returns:
        dict of name in evaluation.json -> values of which it may have one.
    """
    config = trained.config
    facts = {"split": config.data.split, **Protocol.of(config).known}
    facts |= {"step": trained.step, "weights_sha256": trained.source_sha256}
    return {name: (value,) for name, value in facts.items()}


def facts_after(folder, clips, record, after_video):
    """What the evaluation at the end of a run is to say of the weights and the videos.

    Args:
        folder: the `RunFolder`.
        clips: the `data.clips.Clips` of the run.
        record: the `callbacks.Record` of the run.
        after_video: called after each file that was looked into.

    Returns:
        dict of JSON values by their names in evaluation.json.
    """
    seen = clips.identities.seen(read_trained_videos(folder / TRAINED_VIDEOS))
    return {
        "checkpoint": record.store.folder(record.step).name,
        "weights_sha256": record.store.weights_sha256(record.step),
        "test_fingerprint": clips.identities.test_fingerprint(after_video),
        "left_out": list(clips.left_out),
        "trained_videos": seen and dict(collections.Counter(seen.values())),
    }


def check_output(output, facts):
    """Raises ConfigError where a folder holds the results of another measurement.

    Args:
        output: the folder for the results.
        facts: see `facts_before`; the first value is the one of now.
    """
    path = output / "evaluation.json"
    before = read_json(path)
    if before:  # A version may have written it that could not do otherwise.
        before = FORMER | before
    other = [
        f"{name} {_short(before[name])} (now {_short(values[0])})"
        for name, values in facts.items()
        if before.get(name, values[0]) not in values
    ]
    if other:
        raise ConfigError(
            f"{path} is of another measurement: {', '.join(other)}. Choose another "
            "--output."
        )


def _short(value):
    """A value as a message shows it; of a hash, its beginning."""
    return f"{value[:8]}…" if isinstance(value, str) and len(value) == 64 else value


def check_seen(seen, videos, source, allowed):
    """Refuses test videos that a model was trained on, or says that there are some.

    Args:
        seen: what `data.identities.Identities.seen` returns.
        videos: how many test videos there are.
        source: what holds the model's weights.
        allowed: whether they may be measured.

    Raises:
        ConfigError: there are some, and they may not.
    """
    if seen is None:
        logging.warning(
            "It is not known which videos %s was trained on; some of the test videos "
            "may be among them.",
            source,
        )
    if not seen:
        return
    kinds = collections.Counter(seen.values())
    text = (
        f"The model was trained on {len(seen)} of {videos} test videos "
        f"({kinds['content']} by content, {kinds['name']} by name, {kinds['group']} by "
        f"a group of the same scene); the first is {next(iter(seen))}"
    )
    if not allowed:
        raise ConfigError(
            f"{text}. Its accuracy on them says nothing about new videos: choose "
            "another data.split or data.root, or say --allow_trained_videos."
        )
    logging.warning("%s.", text)


def check_classes(trained, found, root):
    """Raises ConfigError unless the videos are of the classes a model was trained on.

    Args:
        trained: its `class_names`, and `class_names_known`.
        found: names in the data set.
        root: the data set's directory.
    """
    names = trained.class_names
    # A list that a Mac wrote may code the same accents in another way.
    same = [normalize("NFC", n) for n in names] == [normalize("NFC", n) for n in found]
    if len(names) != len(found) or trained.class_names_known and not same:
        raise ConfigError(
            f"data.root must hold the {len(names)} classes that the model was "
            f"trained on ({', '.join(names)}); {root} holds {', '.join(found)}."
        )
    if not trained.class_names_known:
        logging.warning(
            "%s does not name its classes: their number is compared, not their order.",
            trained.source,
        )


def finished_result(config, folder):
    """The result of a run that has finished; None where there is none to be had.

    One that was measured with other views or videos than are wanted now is not shown:
    the run is then measured again. A run that is to have more epochs, or another
    patience, goes on.

    Args:
        config: the `Experiment`, resolved.
        folder: the `RunFolder`, locked.
    """
    result = folder.finished
    if not result:
        return None
    before = from_json(folder.saved_config())
    if config.epochs > before.epochs or (
        config.checkpoints.patience != before.checkpoints.patience
    ):
        logging.info(
            "The run has finished; it goes on where more epochs, or another "
            "checkpoints.patience, ask for it."
        )
        return None
    shown = FORMER | result
    other = {
        "data.root": (Path(before.data.root), Path(config.data.root)),
        "views.clips": (result.get("clips"), config.views.clips),
        "views.crops": (result.get("crops"), config.views.crops),
        "views.sampling": (shown["view_sampling"], config.views.sampling),
        "views.short_side": (shown["short_side"], config.views.short_side),
    }
    changes = [
        f"{k} was {was}, is {now}" for k, (was, now) in other.items() if was != now
    ]
    if changes:
        logging.warning(
            "The run has finished, but was measured otherwise (%s): measuring again.",
            "; ".join(changes),
        )
        return None
    logging.info(
        "The run has finished at step %s; this is what was measured then.",
        result.get("step"),
    )
    root = config.data.root
    if root and "://" not in root and not Path(root).exists():
        logging.warning("data.root=%s is there no more.", root)
    return result
