"""Measures a trained model on the test split: every view of every test video, once.

    python evaluate.py --workdir=runs/tiny
    python evaluate.py --workdir=runs/tiny --views.clips=1 --views.crops=1 --output=one
    python evaluate.py --model.handle=converted/swin_tiny --data.root=K400 --output=k400

Takes the run's own config; any option may be replaced by its flag. Without a run, a
converted checkpoint is measured with the classification head that it came with, on the
clips that it says. Writes evaluation.json, predictions.csv and the confusion matrix
into --output, by default the run's folder, and prints the result. In that folder, what
other views, data or steps give has what differs in its names, as evaluation-1x1.json.
Test videos that the model was trained on are refused unless --allow_trained_videos.
"""

import collections
import contextlib
import os
from pathlib import Path
from unicodedata import normalize

from absl import flags, logging

from configs.command.errors import ConfigError
from configs.command.flags import define, define_path, override
from configs.command.launch import parse, run
from configs.command.text import say

if __name__ == "__main__":
    define(config=False)  # It is that of the run, or of the model.
    define_path("output", "Folder for the results; empty: the run's folder.")
    flags.DEFINE_integer("step", None, "Step of the checkpoint; empty: the newest.")
    flags.DEFINE_bool(
        "allow_trained_videos",
        False,
        "Measure although the model was trained on some of the test videos; the result "
        "says on how many.",
    )
    # Here: --help and mistakes need not wait for TensorFlow's import.
    parse(positional=False)

from configs.schema import Protocol
from configs.schema.serialization import from_json
from data import open_clips
from model import Evaluator, open_trained, suffix_of, summary, write_report
from storage.files import read_json
from storage.run_folder import RunFolder, checkpoint_steps
from strategy import create_strategy, set_precision

FLAGS = flags.FLAGS


def main(_):
    """Evaluates the run in --workdir, or the classifier in --model.handle."""
    if not (FLAGS.workdir or FLAGS["model.handle"].value and FLAGS.output):
        raise ConfigError(
            "--workdir must name a run, or --model.handle a converted checkpoint and "
            f"--output a folder; received --workdir={FLAGS.workdir!r}, --model.handle="
            f"{FLAGS['model.handle'].value!r}, --output={FLAGS.output!r}."
        )
    output = Path(FLAGS.output or FLAGS.workdir)
    if FLAGS.output:
        require_folder(output)
    with contextlib.ExitStack() as stack:
        folder = None
        if FLAGS.workdir and output.resolve() == Path(FLAGS.workdir).resolve():
            folder = RunFolder(FLAGS.workdir)
            folder.saved_config()  # Refuses a folder without a run before it is made.
            stack.enter_context(folder.locked())
        elif (output / "run.json").exists():
            raise ConfigError(f"--output must not be another run; received {output}.")
        trained = open_trained(
            FLAGS.workdir,
            FLAGS["model.handle"].value,
            step=FLAGS.step,
            override=override,
            prepare=prepare,
        )
        result = evaluate(
            trained, output, folder, allow_trained_videos=FLAGS.allow_trained_videos
        )
    say(f"{FLAGS.output or FLAGS.workdir}: {summary(result)}")


def prepare(config):
    """Chooses the devices and the precision; returns the strategy's scope."""
    strategy = create_strategy(config.runtime)
    set_precision(config.runtime.precision)
    return strategy.scope()


def evaluate(trained, output, run_folder=None, *, allow_trained_videos=False):
    """Evaluates a trained model on the test split that its config names.

    Args:
        trained: a `model.trained.Trained`, created under a strategy's scope.
        output: the folder for the results.
        run_folder: the `RunFolder` of the model's own run where that is the output.
        allow_trained_videos: whether test videos may be ones it was trained on.

    Returns:
        What evaluation.json holds.

    Raises:
        ConfigError: the videos are of other classes than the model's, some of them were
            trained on, or the output holds the results of another measurement.
        LockedError: another process is writing to the output.
    """
    config, strategy = trained.config, trained.model.distribute_strategy
    if not run_folder:
        check_output(output, facts_before(trained))
    clips = open_clips(config.data, config.views, seed=config.seed)
    check_classes(trained, clips.class_names, config.data.root)
    seen = clips.identities.seen(trained.trained_videos)
    check_seen(seen, clips.test_size, trained.source, allow_trained_videos)
    suffix = own_suffix(run_folder, trained, clips) if run_folder else ""
    if not run_folder:
        check_output(output, {"test_fingerprint": clips.identities.fingerprints()})
    if trained.step is not None:
        logging.info("Evaluating step %d.", trained.step)
    # Where the output is a run's folder, its caller holds the lock already.
    writer = contextlib.nullcontext() if run_folder else RunFolder(output).locked()
    with writer:
        probabilities = Evaluator(trained.model, strategy)(
            clips.views(strategy), videos=clips.test_size, views=config.views.count
        )
        return write_report(
            output,
            probabilities,
            clips,
            config,
            trained.step,
            facts=facts_of(trained, clips, seen),
            suffix=suffix,
        )


def facts_of(trained, clips, seen):
    """What the evaluation is to say of the weights and of the videos."""
    return {
        "checkpoint": trained.source,
        "weights_sha256": trained.source_sha256,
        "test_fingerprint": clips.identities.test_fingerprint(),
        "left_out": trained.left_out,
        "trained_videos": seen and dict(collections.Counter(seen.values())),
    }


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


def check_output(output, facts):
    """Raises ConfigError where a folder holds the results of another measurement.

    Args:
        output: the folder for the results.
        facts: see `facts_before`; the first value is the one of now.
    """
    path = output / "evaluation.json"
    before = read_json(path)
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


if __name__ == "__main__":
    run(main, positional=False)
