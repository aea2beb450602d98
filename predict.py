"""The most likely classes of video files, by a trained run or a converted checkpoint.

    python predict.py --workdir=runs/tiny VIDEO [VIDEO ...]
    python predict.py --model.handle=converted/swin_tiny VIDEO [VIDEO ...]

Averages the test views of each video. --views.clips=1 --views.crops=1 is the quickest.
Predictions that cannot be written, as to a full disk, end in exit code 6; where the
reader of a pipe has left, it ends with 0.
"""

import contextlib

from absl import flags

from configs.command.errors import ConfigError, DataError, NumericsError
from configs.command.flags import define, override
from configs.command.launch import parse, run
from configs.command.streams import produce

if __name__ == "__main__":
    define(config=False)  # It is that of the run, or of the model.
    flags.DEFINE_integer("step", None, "Step of the checkpoint; empty: the newest.")
    flags.DEFINE_integer(
        "top", 5, "How many classes are printed for each video.", lower_bound=1
    )
    parse()  # Here: --help and mistakes need not wait for TensorFlow's import.

import numpy as np
import tensorflow as tf

from data import DecodeError, video_views
from model import open_trained
from strategy import set_precision

FLAGS = flags.FLAGS


def main(videos):
    """Prints the most likely classes of each video."""
    if not videos:
        raise ConfigError("predict.py needs at least one video file; received none.")
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
    set_precision(config.runtime.precision)
    return contextlib.nullcontext()


if __name__ == "__main__":
    run(main)
