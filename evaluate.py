"""Measures a trained run on the test split: every view of every test video, once.

    python evaluate.py --workdir=runs/tiny
    python evaluate.py --workdir=runs/tiny --views.clips=1 --views.crops=1 --output=one

Takes the run's own config; any field may be replaced by its flag. Writes
evaluation.json, predictions.csv and the confusion matrix into --output, by default the
run's folder, and prints the result.
"""

from pathlib import Path

from absl import flags, logging

from callbacks import RunFolder, restore_weights, summary, write_report
from configs.errors import ConfigError
from configs.flags import define, from_json, override, run
from data import open_clips
from model import Evaluator, create_model
from strategy import create_strategy, set_precision

FLAGS = flags.FLAGS
flags.DEFINE_string("output", None, "Folder for the results; empty: the run's folder.")
flags.DEFINE_integer(
    "step", None, "The step whose checkpoint is evaluated; empty: the last."
)


def main(_):
    """Evaluates the run in --workdir and prints the result."""
    folder = RunFolder(FLAGS.workdir)
    config = override(from_json(folder.saved_config()))
    if FLAGS.output:
        result = evaluate(config, folder, Path(FLAGS.output), FLAGS.step)
    else:
        with folder.locked():
            result = evaluate(config, folder, folder.path, FLAGS.step)
    print(f"{folder.path}: {summary(result)}")


def evaluate(config, folder, output, step=None):
    """Evaluates a run's checkpoint.

    Args:
      config: the run's `Experiment`, with the views wanted.
      folder: its `RunFolder`.
      output: the folder for the results.
      step: the checkpoint's step; None takes the newest.

    Returns:
      What evaluation.json holds.
    """
    strategy = create_strategy(config.runtime)
    clips = open_clips(config.data, config.views, seed=config.seed)
    if tuple(folder.identity["class_names"]) != tuple(clips.class_names):
        raise ConfigError(
            f"data.root must hold the classes the run was trained on "
            f"({', '.join(folder.identity['class_names'])}); "
            f"{config.data.root} holds {', '.join(clips.class_names)}."
        )
    set_precision(config.runtime.precision)
    with strategy.scope():
        model = create_model(
            config.model,
            classes=len(clips.class_names),
            pretrained=False,
        )
    step = restore_weights(model, folder, step)
    logging.info("Evaluating step %d.", step)
    probabilities = Evaluator(model, strategy)(
        clips.views(strategy),
        videos=clips.test_size,
        views=config.views.clips * config.views.crops,
    )
    return write_report(output, probabilities, clips, config, step)


if __name__ == "__main__":
    define()
    flags.mark_flag_as_required("workdir")
    run(main)
