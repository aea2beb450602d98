"""The most likely classes of video files, by a trained run or a converted checkpoint.

    python predict.py runs/tiny VIDEO FOLDER 'videos/**/*.mp4'
    python predict.py converted/swin_tiny VIDEO --json --top=1
    find . -name '*.mp4' | python predict.py --workdir=runs/tiny - --csv > classes.csv

The first argument is the model, unless --workdir or --model.handle names it: a run, an
exported model or a converted checkpoint. The others are files, folders (every video
below), patterns, and - for a list on standard input. Averages the test views of each
video; --views.clips=1 --views.crops=1 is the quickest. A video that cannot be read is
named, the others are predicted, and the exit code is then 3.

Predictions that cannot be written, as to a full disk, end in exit code 6; where the
reader of a pipe has left, it ends with 0.
"""

import contextlib
import os
import sys

from absl import flags, logging

from configs.command.errors import ConfigError, DataError, NumericsError
from configs.command.flags import define, define_step, override
from configs.command.launch import run, start
from configs.command.streams import produce
from data import find_inputs
from model import check_wanted

FLAGS = flags.FLAGS


def plan(arguments):
    """Refuses what can be seen to fail at once, and says what is done.

    Args:
        arguments: the model, unless a flag names it, and what is predicted.

    Returns:
        (the run's folder or "", the handle or "", paths of the videos).
    """
    workdir, handle = FLAGS.workdir, FLAGS["model.handle"].value
    if not workdir and not handle and arguments:
        model, *arguments = arguments
        is_run = os.path.exists(os.path.join(model, "config.json"))
        workdir, handle = (model, "") if is_run else ("", model)
    if not arguments:
        received = f"{workdir or handle!r} alone" if workdir or handle else "none"
        raise ConfigError(
            "predict.py needs a model and at least one video, as in predict.py MODEL "
            f"VIDEO; received {received}."
        )
    if FLAGS.json and FLAGS.csv:
        raise ConfigError("--json and --csv exclude one another; received both.")
    check_wanted(workdir, handle, step=FLAGS.step, override=override)
    videos = find_inputs(arguments, sys.stdin.buffer)
    if not any(map(os.path.exists, videos)):
        raise DataError(f"{videos[0]} cannot be read: there is no such file.")
    logging.info("Predicting %d videos by %s.", len(videos), workdir or handle)
    return workdir, handle, videos


if __name__ == "__main__":
    define(config=False)  # It is that of the run, or of the model.
    define_step()
    flags.DEFINE_integer(
        "top", 5, "How many classes are printed for each video.", lower_bound=1
    )
    flags.DEFINE_bool("json", False, "Print one line of JSON for each video.")
    flags.DEFINE_bool("csv", False, "Print CSV, one line for each video.")
    PLAN = start(plan)  # What follows imports TensorFlow.

import numpy as np
import tensorflow as tf

from data import views_of_files
from model import Predictor, as_csv, as_json, as_text, csv_head, open_trained
from strategy import set_precision, warn_of_devices


def main(_):
    """Prints the most likely classes of each video."""
    workdir, handle, videos = PLAN
    trained = open_trained(
        workdir, handle, step=FLAGS.step, override=override, prepare=prepare
    )
    config = trained.config
    predictor = Predictor(trained.model, config.views.batch_size_per_replica)
    views = views_of_files(videos, data=config.data, views=config.views)
    if FLAGS.csv:
        produce(csv_head(top(trained)))
    bad = {}
    for video, result in predictor(views):
        if isinstance(result, Exception):
            bad[video] = result
            logging.warning("%s %s.", video, result)
        elif not np.isfinite(result).all():
            raise NumericsError(
                f"The probabilities of {video} are not finite: {result}."
            )
        show(video, result, trained)
    if bad:
        raise DataError(f"{len(bad)} of {len(videos)} videos could not be predicted.")


def show(video, result, trained):
    """Prints what is predicted of one video, or that it cannot be."""
    named = result, trained.class_names, top(trained)
    if FLAGS.json:
        produce(as_json(video, *named))
    elif FLAGS.csv:
        produce(as_csv(video, *named))
    elif not isinstance(result, Exception):
        produce(*as_text(video, *named))


def top(trained):
    """How many classes are named."""
    return min(FLAGS.top, len(trained.class_names))


def prepare(config):
    """Chooses the precision; the model takes TensorFlow's default device."""
    warn_of_devices(tf.config.list_physical_devices("GPU"))
    set_precision(config.runtime.precision)
    return contextlib.nullcontext()


if __name__ == "__main__":
    run(main)
