"""Measures a trained model on the test split: every view of every test video, once.

    python evaluate.py --workdir=runs/tiny
    python evaluate.py --workdir=runs/tiny --views.clips=1 --views.crops=1 --output=one
    python evaluate.py --model.handle=converted/swin_tiny --data.root=K400 --output=k400

Takes the run's own config; any option may be replaced by its flag. Without a run, a
converted checkpoint is measured with the classification head that it came with, on the
clips that it says. Writes evaluation.json, predictions.csv, the confusion matrix and
report.html, the page to open first, into --output, by default the run's folder, and
prints the result. In that folder, what other views, data or steps give has what differs
in its names, as evaluation-1x1.json. Test videos that the model was trained on are
refused unless --allow_trained_videos.
"""

import collections
import contextlib
import functools
from pathlib import Path

from absl import flags, logging

from configs.command.errors import ConfigError
from configs.command.flags import define, define_path, define_step, override
from configs.command.launch import run, start
from configs.command.text import say
from configs.schema import Runtime
from data import check_root
from model import check_wanted, require_folder
from strategy import count_workers

FLAGS = flags.FLAGS
CLUSTER = ("cluster", "join_minutes")


def plan(_):
    """Refuses what can be seen to fail at once, and says what is evaluated."""
    handle = FLAGS["model.handle"].value
    if not (FLAGS.workdir or handle and FLAGS.output):
        raise ConfigError(
            "--workdir must name a run, or --model.handle a converted checkpoint and "
            f"--output a folder; received --workdir={FLAGS.workdir!r}, --model.handle="
            f"{handle!r}, --output={FLAGS.output!r}."
        )
    if count_workers(cluster_options().cluster) == 1:
        find_output()
        config = check_wanted(FLAGS.workdir, handle, step=FLAGS.step, override=override)
        check_root(config.data)
    logging.info("Evaluating %s.", FLAGS.workdir or handle)


def cluster_options():
    """What the flags say of other workers, who meet before the run's config is read."""
    values = {name: FLAGS[f"runtime.{name}"].value for name in CLUSTER}
    return Runtime(**{name: v for name, v in values.items() if v is not None})


def find_output():
    """The folder for the results, and whether it is that of the run."""
    output = Path(FLAGS.output or FLAGS.workdir)
    if FLAGS.output:
        require_folder(output)
    if FLAGS.workdir and output.resolve() == Path(FLAGS.workdir).resolve():
        return output, True
    if (output / "run.json").exists():
        raise ConfigError(f"--output must not be another run; received {output}.")
    return output, False


if __name__ == "__main__":
    define(config=False)  # It is that of the run, or of the model.
    define_path("output", "Folder for the results; empty: the run's folder.")
    define_step()
    flags.DEFINE_bool(
        "allow_trained_videos",
        False,
        "Measure although the model was trained on some of the test videos; the result "
        "says on how many.",
    )
    start(plan, positional=False)  # What follows imports TensorFlow.

from callbacks import Watchdog, show_views
from data import open_clips
from model import (
    Evaluator,
    check_classes,
    check_output,
    check_seen,
    facts_before,
    open_trained,
    own_suffix,
    summary,
    write_report,
)
from storage.run_folder import RunFolder
from strategy import (
    Workers,
    check_same,
    create_strategy,
    join_workers,
    lock_folder,
    set_precision,
)


def main(_):
    """Evaluates the run in --workdir, or the classifier in --model.handle."""
    with contextlib.ExitStack() as stack:
        workers = stack.enter_context(join_workers(cluster_options()))
        output = folder = None
        if workers.is_chief:
            output, folder = open_output(stack, workers)
        trained = open_trained(
            FLAGS.workdir,
            FLAGS["model.handle"].value,
            step=FLAGS.step,
            override=override,
            prepare=functools.partial(prepare, workers=workers, stack=stack),
        )
        model = {"step": trained.step, "sha256": trained.source_sha256}
        workers.compare("model", model)
        check_same(trained.config, workers)
        result = evaluate(
            trained,
            output,
            folder,
            workers=workers,
            allow_trained_videos=FLAGS.allow_trained_videos,
        )
    if workers.is_chief:
        say(f"{FLAGS.output or FLAGS.workdir}: {summary(result)}")


def open_output(stack, workers):
    """The folder for the results, and the `RunFolder` that it is, or None.

    Args:
        stack: an ExitStack, on which the run's folder is locked.
        workers: the `Workers`, of which this is the chief.
    """
    output, is_run = find_output()
    if not is_run:
        return output, None
    folder = RunFolder(FLAGS.workdir)
    folder.saved_config()  # Refuses a folder without a run before it is made.
    return output, stack.enter_context(lock_folder(folder, workers))


def prepare(config, workers=None, stack=None):
    """Chooses the devices and the precision; returns the strategy's scope.

    Args:
        config: the `Experiment`.
        workers: the `Workers`; None for this process alone.
        stack: an ExitStack, on which a watchdog of the workers begins; may be None.
    """
    if stack:
        stall = 60 * config.checkpoints.stall_minutes
        watchdog = Watchdog(stall, exit_code=workers.stall_exit_code)
        workers.meanwhile = stack.enter_context(watchdog).beat
    strategy = create_strategy(config.runtime, workers)
    set_precision(config.runtime.precision)
    return strategy.scope()


def evaluate(
    trained, output, run_folder=None, *, workers=None, allow_trained_videos=False
):
    """Evaluates a trained model on the test split that its config names.

    Args:
        trained: a `model.trained.Trained`, created under a strategy's scope.
        output: the folder for the results; only the chief needs one.
        run_folder: the `RunFolder` of the model's own run where that is the output.
        workers: the `Workers`, all of which evaluate; None for this process alone.
        allow_trained_videos: whether test videos may be ones it was trained on.

    Returns:
        What evaluation.json holds.

    Raises:
        ConfigError: the videos are of other classes than the model's, some of them were
            trained on, or the output holds the results of another measurement.
        LockedError: another process is writing to the output.
    """
    workers = workers or Workers()
    config = trained.config
    if workers.is_chief and not run_folder:
        check_output(output, facts_before(trained))
    clips = open_same_clips(trained, workers)
    check_classes(trained, clips.class_names, config.data.root)
    if not workers.is_chief:
        workers.share("permission")
        measure(trained, clips, workers)
        return workers.share("result")
    seen, suffix = permit(trained, clips, output, run_folder, allow_trained_videos)
    with contextlib.ExitStack() as stack:
        if not run_folder:  # Else its caller holds the lock already.
            stack.enter_context(lock_folder(RunFolder(output), workers))
        workers.share("permission")
        probabilities = measure(trained, clips, workers)
        return workers.from_chief(
            "result",
            lambda: write_report(
                output,
                probabilities,
                clips,
                config,
                trained.step,
                facts=facts_of(trained, clips, seen),
                suffix=suffix,
            ),
        )


def open_same_clips(trained, workers):
    """The `Clips`, the same on all workers; the chief scans what must be scanned."""
    config = trained.config
    clips = workers.chief_first(
        "scan",
        lambda: open_clips(
            config.data,
            config.views,
            seed=config.seed,
            after_video=workers.alive,
            run_split=trained.run_split,
        ),
    )
    workers.compare("videos", clips.identity)
    return clips


def permit(trained, clips, output, run_folder, allow_trained_videos):
    """Checks that the model may be measured on these videos, into this folder.

    Args:
        trained: see `evaluate`, as for all that follow.
        clips: the `Clips`.
        output: the folder for the results.
        run_folder: the `RunFolder` where that is the output.
        allow_trained_videos: whether test videos may be ones it was trained on.

    Returns:
        The test videos that it was trained on, as `Identities.seen` says them, and the
        suffix of the results' names.
    """
    seen = clips.identities.seen(trained.trained_videos)
    check_seen(seen, clips.test_size, trained.source, allow_trained_videos)
    suffix = own_suffix(run_folder, trained, clips) if run_folder else ""
    if not run_folder:
        check_output(output, {"test_fingerprint": clips.identities.fingerprints()})
    if trained.step is not None:
        logging.info("Evaluating step %d.", trained.step)
    return seen, suffix


def measure(trained, clips, workers):
    """Evaluates every view of every test video: `Probabilities`."""
    strategy = trained.model.distribute_strategy
    evaluator = Evaluator(
        trained.model,
        strategy,
        after_batch=workers.meanwhile,
        show=show_views if workers.is_chief else None,
    )
    return evaluator(
        clips.views(strategy), videos=clips.test_size, views=trained.config.views
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
