"""The most likely classes of video files, by a trained run.

    python predict.py --workdir=runs/tiny VIDEO [VIDEO ...]

Averages the run's own test views of each video. --views.clips=1 --views.crops=1 is the
quickest.
"""

import numpy as np
import tensorflow as tf
from absl import flags

from callbacks import RunFolder, restore_weights
from configs.errors import ConfigError, DataError
from configs.flags import define, from_json, override, run
from data import DecodeError, video_views
from model import create_model
from strategy import set_precision

FLAGS = flags.FLAGS
flags.DEFINE_integer("top", 5, "How many classes are printed for each video.")


def main(videos):
    """Prints the most likely classes of each video."""
    if not videos:
        raise ConfigError("predict.py needs at least one video file; received none.")
    folder = RunFolder(FLAGS.workdir)
    config = override(from_json(folder.saved_config()))
    class_names = folder.identity["class_names"]
    set_precision(config.runtime.precision)
    model = create_model(
        config.model,
        classes=len(class_names),
        pretrained=False,
    )
    restore_weights(model, folder)
    probabilities = tf.function(lambda views: tf.nn.softmax(model(views)))
    for video in videos:
        try:
            views = video_views(video, data=config.data, views=config.views)
        except DecodeError as error:
            raise DataError(f"{video} cannot be read: {error}") from error
        mean = np.mean([probabilities(view[None])[0] for view in views], axis=0)
        print(video)
        for place in np.argsort(-mean)[: FLAGS.top]:
            print(f"  {mean[place]:6.3f}  {class_names[place]}")


if __name__ == "__main__":
    define()
    flags.mark_flag_as_required("workdir")
    run(main)
