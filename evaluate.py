"""Measures a trained run on the test split: every view of every test video, once.

    python evaluate.py --workdir=runs/tiny
    python evaluate.py --workdir=runs/tiny --views.clips=1 --views.crops=1 --output=one
    python evaluate.py --model.handle=converted/swin_tiny --data.root=K400 --output=k400

Takes the run's own config; any field may be replaced by its flag. Without a run, a
converted checkpoint is measured with the classification head that it came with. Writes
evaluation.json, predictions.csv and the confusion matrix into --output, by default the
run's folder, and prints the result.
"""

from pathlib import Path

from absl import flags, logging

from callbacks import RunFolder, restore_weights, summary, write_report
from configs.errors import ConfigError
from configs.flags import define, from_handle, from_json, override, run
from data import open_clips
from model import Evaluator, create_model, load_classifier, load_handle
from strategy import create_strategy, set_precision

FLAGS = flags.FLAGS
flags.DEFINE_string("output", None, "Folder for the results; empty: the run's folder.")
flags.DEFINE_integer(
    "step", None, "The step whose checkpoint is evaluated; empty: the last."
)


def main(_):
    """Evaluates the run in --workdir, or the classifier in --model.handle."""
    if FLAGS.workdir:
        folder = RunFolder(FLAGS.workdir)
        config = override(from_json(folder.saved_config()))
        if FLAGS.output:
            result = evaluate(config, folder, Path(FLAGS.output), FLAGS.step)
        else:
            with folder.locked():
                result = evaluate(config, folder, folder.path, FLAGS.step)
    elif FLAGS["model.handle"].value and FLAGS.output:
        config = from_handle(load_handle(FLAGS["model.handle"].value))
        result = evaluate(config, None, Path(FLAGS.output))
    else:
        raise ConfigError(
            "--workdir must name a run, or --model.handle a converted checkpoint and "
            "--output a folder; received neither."
        )
    print(f"{FLAGS.output or FLAGS.workdir}: {summary(result)}")


def evaluate(config, folder, output, step=None):
    """Evaluates a run's checkpoint, or the classifier in `config.model.handle`.

    Args:
      config: the run's `Experiment`, with the views wanted.
      folder: its `RunFolder`; None evaluates the handle.
      output: the folder for the results.
      step: the checkpoint's step; None takes the newest.

    Returns:
      What evaluation.json holds.
    """
    strategy = create_strategy(config.runtime)
    clips = open_clips(config.data, config.views, seed=config.seed)
    set_precision(config.runtime.precision)
    with strategy.scope():
        if folder is None:
            model, class_names, _ = load_classifier(config.model.handle)
        else:
            class_names = folder.class_names
            model = create_model(
                config.model, classes=len(class_names), pretrained=False
            )
            step = restore_weights(model, folder, step)
            logging.info("Evaluating step %d.", step)
    check_classes(class_names, clips.class_names, config.data.root)
    probabilities = Evaluator(model, strategy)(
        clips.views(strategy),
        videos=clips.test_size,
        views=config.views.clips * config.views.crops,
    )
    return write_report(output, probabilities, clips, config, step)


def check_classes(trained, found, root):
    """Raises ConfigError unless the videos are of the classes a model was trained on.

    Args:
      trained: names, or numbers as text where a checkpoint does not name its classes.
      found: names in the data set.
      root: the data set's directory.
    """
    numbered = all(name == str(label) for label, name in enumerate(trained))
    if len(trained) != len(found) or not numbered and list(trained) != list(found):
        raise ConfigError(
            f"data.root must hold the {len(trained)} classes that the model was "
            f"trained on ({', '.join(trained)}); {root} holds {', '.join(found)}."
        )


if __name__ == "__main__":
    define()
    run(main)
