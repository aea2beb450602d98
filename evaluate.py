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
from pathlib import Path

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

from data import open_clips
from model import (
    Evaluator,
    check_classes,
    check_output,
    check_seen,
    facts_before,
    open_trained,
    own_suffix,
    require_folder,
    summary,
    write_report,
)
from storage.run_folder import RunFolder
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


if __name__ == "__main__":
    run(main, positional=False)
