"""The most likely classes of video files, by a trained run or a converted checkpoint.

    python predict.py --workdir=runs/tiny VIDEO [VIDEO ...]
    python predict.py --model.handle=converted/swin_tiny VIDEO [VIDEO ...]

Averages the test views of each video. --views.clips=1 --views.crops=1 is the quickest.
Predictions that cannot be written, as to a full disk, end in exit code 6; where the
reader of a pipe has left, it ends with 0.
"""

import contextlib
import os

from absl import flags, logging

from configs.command.errors import ConfigError, DataError, NumericsError
from configs.command.flags import define, define_step, override
from configs.command.launch import run, start
from configs.command.streams import produce
from model import check_wanted

FLAGS = flags.FLAGS


def plan(videos):
    """Refuses what can be seen to fail at once, and says what is done."""
    if not videos:
        raise ConfigError("predict.py needs at least one video file; received none.")
    handle = FLAGS["model.handle"].value
    check_wanted(FLAGS.workdir, handle, step=FLAGS.step, override=override)
    for video in videos:
        if not os.path.exists(video):
            raise DataError(f"{video} cannot be read: there is no such file.")
    logging.info("Predicting by %s.", FLAGS.workdir or handle)


if __name__ == "__main__":
    define(config=False)  # It is that of the run, or of the model.
    define_step()
    flags.DEFINE_integer(
        "top", 5, "How many classes are printed for each video.", lower_bound=1
    )
    start(plan)  # What follows imports TensorFlow.

import numpy as np
import tensorflow as tf

from data import DecodeError, video_views
from model import open_trained
from strategy import set_precision, warn_of_devices


def main(videos):
    """Prints the most likely classes of each video."""
    trained = open_trained(
        FLAGS.workdir,
        FLAGS["model.handle"].value,
        step=FLAGS.step,
        override=override,
        prepare=prepare,
    )
    probabilities = tf.function(
        lambda views: tf.nn.softmax(trained.model(views)), autograph=False
    )
    for video in videos:
        try:
            views = video_views(
                video, data=trained.config.data, views=trained.config.views
            )
        except DecodeError as error:
            raise DataError(f"{video} cannot be read: {error}") from error
        mean = np.mean([probabilities(view[None])[0] for view in views], axis=0)
        if not np.isfinite(mean).all():
            raise NumericsError(f"The probabilities of {video} are not finite: {mean}.")
        best = np.argsort(-mean)[: FLAGS.top]
        produce(video, *(f"  {mean[i]:6.3f}  {trained.class_names[i]}" for i in best))


def prepare(config):
    """Chooses the precision; the model takes TensorFlow's default device."""
    warn_of_devices(tf.config.list_physical_devices("GPU"))
    set_precision(config.runtime.precision)
    return contextlib.nullcontext()


if __name__ == "__main__":
    run(main)
