"""The most likely classes of video files, by a trained run or a converted checkpoint.

    python predict.py --workdir=runs/tiny VIDEO [VIDEO ...]
    python predict.py --model.handle=converted/swin_tiny VIDEO [VIDEO ...]

Averages the test views of each video. --views.clips=1 --views.crops=1 is the quickest.
"""

import numpy as np
import tensorflow as tf
from absl import flags

from callbacks import RunFolder, restore_weights
from configs.errors import ConfigError, DataError
from configs.flags import define, from_handle, from_json, override, run
from data import DecodeError, video_views
from model import create_model, load_classifier, load_handle
from strategy import set_precision

FLAGS = flags.FLAGS
flags.DEFINE_integer("top", 5, "How many classes are printed for each video.")


def main(videos):
    """Prints the most likely classes of each video."""
    if not videos:
        raise ConfigError("predict.py needs at least one video file; received none.")
    config, model, class_names = open_model()
    probabilities = tf.function(
        lambda views: tf.nn.softmax(model(views)), autograph=False
    )
    for video in videos:
        try:
            views = video_views(video, data=config.data, views=config.views)
        except DecodeError as error:
            raise DataError(f"{video} cannot be read: {error}") from error
        mean = np.mean([probabilities(view[None])[0] for view in views], axis=0)
        print(video)
        for place in np.argsort(-mean)[: FLAGS.top]:
            print(f"  {mean[place]:6.3f}  {class_names[place]}")


def open_model():
    """(config, classifier, class names) of --workdir or --model.handle."""
    if FLAGS.workdir:
        folder = RunFolder(FLAGS.workdir)
        config = override(from_json(folder.saved_config()))
        set_precision(config.runtime.precision)
        class_names = folder.class_names
        model = create_model(config.model, classes=len(class_names), pretrained=False)
        restore_weights(model, folder)
    elif FLAGS["model.handle"].value:
        config = from_handle(load_handle(FLAGS["model.handle"].value))
        set_precision(config.runtime.precision)
        model, class_names, _ = load_classifier(config.model.handle)
    else:
        raise ConfigError(
            "--workdir must name a run, or --model.handle a converted checkpoint; "
            "received neither."
        )
    return config, model, class_names


if __name__ == "__main__":
    define()
    run(main)
