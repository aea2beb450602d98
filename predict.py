"""The most likely classes of video files, by a trained run or a converted checkpoint.

    python predict.py runs/tiny VIDEO FOLDER 'videos/**/*.mp4'
    python predict.py converted/swin_tiny VIDEO --json --top=1
    find . -name '*.mp4' | python predict.py --workdir=runs/tiny - --csv > classes.csv
    python predict.py runs/tiny LONG --stride=32 --timeline=long.png --top=1

The first argument is the model, unless --workdir or --model.handle names it: a run, an
exported model or a converted checkpoint. The others are files, folders (every video
below), patterns, and - for a list on standard input. Averages the test views of each
video; --views.clips=1 --views.crops=1 is the quickest. A video that cannot be read is
named, the others are predicted, and the exit code is then 3. --stride slides over long
videos instead, and tells the classes of each clip, --views.crops of it averaged.

Predictions that cannot be written, as to a full disk, end in exit code 6; where the
reader of a pipe has left, it ends with 0.
"""

import contextlib
import functools
import os

from absl import flags, logging

from configs.command.errors import ConfigError, DataError, NumericsError
from configs.command.flags import define, define_path, define_step, override
from configs.command.launch import run, start
from configs.command.streams import produce, standard_input
from data import STANDARD_INPUT, find_inputs
from model import check_wanted, require_new_files

FLAGS = flags.FLAGS
SHOWN = 3  # classes on the frames of a video, and in a picture that explains
# Flags that name a file that is written, and how it ends.
OUTPUTS = {
    "timeline": ".png",
    "annotate": ".mp4",
    "explain": ".png",
    "features": ".npz",
    "features_map": ".npz",
}


def plan(arguments):
    """Refuses what can be seen to fail at once, and says what is done.

    Args:
        arguments: the model, unless a flag names it, and what is predicted.

    Returns:
        (the run's folder or "", the handle or "", iterable of paths of the videos).
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
    check_flags()
    check_wanted(workdir, handle, step=FLAGS.step, override=override)
    videos, count = find_inputs(arguments, standard_input()), "as they are listed"
    if STANDARD_INPUT not in arguments or FLAGS.annotate or FLAGS.explain:
        videos = list(videos)
        check_inputs(videos)
        count = len(videos)
    logging.info("Predicting by %s; videos: %s.", workdir or handle, count)
    return workdir, handle, videos


def check_inputs(videos):
    """Refuses inputs that are too many, and where people read it, those of nothing."""
    for name in ("annotate", "explain"):
        if FLAGS[name].value and len(videos) > 1:
            raise ConfigError(f"--{name} takes one video; received {len(videos)}.")
    readable = FLAGS.json or FLAGS.csv or any(map(os.path.exists, videos))
    if not readable:  # For programs each has a line that says so.
        raise DataError(f"{videos[0]} cannot be read: there is no such file.")


def check_flags():
    """Refuses flags that do not go together, and files that cannot be written."""
    if FLAGS.json and FLAGS.csv:
        raise ConfigError("--json and --csv exclude one another; received both.")
    for name in ("timeline", "annotate"):
        if FLAGS[name].value and not FLAGS.stride:
            raise ConfigError(
                f"--{name} shows clips that slide over a video: --stride must be given."
            )
    if FLAGS.explain and FLAGS.stride:
        raise ConfigError("--explain shows a clip of an evaluation: without --stride.")
    written = {name: FLAGS[name].value for name in OUTPUTS if FLAGS[name].value}
    require_new_files({f"--{n}": (path, OUTPUTS[n]) for n, path in written.items()})


if __name__ == "__main__":
    define(config=False)  # It is that of the run, or of the model.
    define_step()
    flags.DEFINE_integer(
        "top", 5, "How many classes are printed for each video.", lower_bound=1
    )
    flags.DEFINE_bool("json", False, "Print one line of JSON for each video.")
    flags.DEFINE_bool("csv", False, "Print CSV, one line for each video.")
    flags.DEFINE_integer(
        "stride",
        None,
        "Slide over each video: frames from the start of a clip to that of the next.",
        lower_bound=1,
    )
    define_path("timeline", "New .png file: the classes over time; needs stride.")
    define_path("annotate", "New .mp4 file: the one video, with classes; needs stride.")
    define_path("explain", "New .png file: what on the one video speaks for a class.")
    define_path("features", "New .npz file for the features that the head sees.")
    define_path(
        "features_map",
        "New .npz file for what the backbone gives for each view, whole.",
    )
    PLAN = start(plan)  # What follows imports TensorFlow.

from pathlib import Path

import numpy as np
import tensorflow as tf

from data import views_of_files, windows_of_files, write_annotated
from model import (
    Captions,
    FeatureMaps,
    Features,
    Prediction,
    Predictor,
    Timeline,
    explanation_png,
    open_trained,
    predictions,
    timeline_png,
    timelines,
)
from storage.files import write_atomically
from strategy import set_precision, warn_of_devices


def main(_):
    """Prints the most likely classes of each video."""
    workdir, handle, videos = PLAN
    trained = open_trained(
        workdir, handle, step=FLAGS.step, override=override, prepare=prepare
    )
    clips = clips_of(videos, trained.config)
    if FLAGS.explain:  # The one video is needed again.
        clips = list(clips)
    results, written = results_of(trained, clips)
    kind, answers = Prediction, predictions(results)
    if FLAGS.stride:
        kind, answers = Timeline, timelines(results)
    kept = [] if FLAGS.timeline or FLAGS.annotate or FLAGS.explain else None
    bad, count = show(answers, kind, trained.class_names, kept)
    for write in written:
        write()
    if kept:
        draw(kept, trained, clips)
    if bad:
        text = f"{len(bad)} of {count} videos could not be predicted."
        raise next((e for e in bad if isinstance(e, NumericsError)), DataError(text))


def results_of(trained, clips):
    """What the model says of clips, and how its features are written afterwards.

    Args:
        trained: the `Trained`.
        clips: iterable of (name, clips or error).

    Returns:
        iterable of (name, float64 [classes] or error), and functions to be called once
        it has ended.
    """
    crops = trained.config.views.crops
    features = Features(len(trained.class_names))
    maps = FeatureMaps(Path(FLAGS.features_map or ""), crops)
    predictor = Predictor(
        trained.model,
        trained.config.views.batch_size_per_replica,
        features=bool(FLAGS.features),
        keep_map=maps.add if FLAGS.features_map else None,
    )
    results, written = finite(predictor(clips)), []
    if FLAGS.features:
        results = features.taken_from(results)
        written.append(functools.partial(features.write, Path(FLAGS.features)))
    if FLAGS.features_map:
        results = maps.taken_from(results)
        written.append(maps.write)
    return results, written


def draw(kept, trained, clips):
    """Writes the pictures, and the video with captions, that flags ask for.

    Args:
        kept: list of `Prediction` or `Timeline` without an error.
        trained: the `Trained` that said it.
        clips: what it was shown; read again only for --explain, whose list it is.
    """
    names = trained.class_names
    if FLAGS.timeline:
        write_atomically(Path(FLAGS.timeline), timeline_png(kept, names))
    if FLAGS.annotate:
        captions = Captions(kept[0], names, top=SHOWN)
        write_annotated(kept[0].video, Path(FLAGS.annotate), captions)
    if FLAGS.explain:
        [answer], [(_, shown)], views = kept, clips, trained.config.views
        middle = views.clips // 2 * views.crops + views.crops // 2
        picture = explanation_png(
            trained.model, shown[middle], answer.probabilities, names, top=SHOWN
        )
        write_atomically(Path(FLAGS.explain), picture)


def clips_of(videos, config):
    """What the model looks at: the views of each video, or clips that slide over it."""
    if not FLAGS.stride:
        return views_of_files(videos, data=config.data, views=config.views)
    if config.data.frame_sampling != "interval":
        raise ConfigError(
            "--stride needs clips of frames at an interval; this model takes "
            f"data.frame_sampling={config.data.frame_sampling}, of the whole video."
        )
    if config.data.shuffle_frames:
        raise ConfigError("--stride takes frames in order: not data.shuffle_frames.")
    span = (config.data.frames - 1) * config.data.frame_interval + 1
    if FLAGS.stride > span:
        logging.warning(
            "Clips reach over %d frames: with --stride=%d, those between are not seen.",
            span,
            FLAGS.stride,
        )
    return windows_of_files(
        videos, data=config.data, views=config.views, stride=FLAGS.stride
    )


def finite(results):
    """Yields (name, numbers or error); numbers of which one is NaN are an error."""
    for name, result in results:
        if not isinstance(result, Exception) and not np.isfinite(result).all():
            result = NumericsError(f"The probabilities of {name} are not finite.")
        yield name, result


def show(answers, kind, class_names, kept=None):
    """Prints what is said of each video.

    Args:
        answers: iterable of `Prediction` or `Timeline`.
        kind: which of the two.
        class_names: in the order of the probabilities.
        kept: list to which those without an error are added; may be None.

    Returns:
        list of the errors, and how many videos there were.
    """
    bad, count, top = [], 0, min(FLAGS.top, len(class_names))
    tell(*[kind.csv_head(top)] if FLAGS.csv else ())
    for answer in answers:
        count += 1
        if answer.error:
            bad.append(answer.error)
            logging.warning("%s %s", answer.video, answer.error)
        elif kept is not None:
            kept.append(answer)
        lines = answer.json if FLAGS.json else answer.csv if FLAGS.csv else answer.text
        tell(*lines(class_names, top))
    return bad, count


def tell(*lines):
    """Prints lines; ends where the reader has left, unless a file is to be written."""
    try:
        if lines:
            produce(*lines)
    except SystemExit:
        if not any(FLAGS[name].value for name in OUTPUTS):
            raise


def prepare(config):
    """Chooses the precision; the model takes TensorFlow's default device."""
    warn_of_devices(tf.config.list_physical_devices("GPU"))
    set_precision(config.runtime.precision)
    return contextlib.nullcontext()


if __name__ == "__main__":
    run(main)
