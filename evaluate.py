"""Measures a trained model on the test split: every view of every test video, once.

    python evaluate.py --workdir=runs/tiny
    python evaluate.py --workdir=runs/tiny --views.clips=1 --views.crops=1 --output=one
    python evaluate.py --model.handle=converted/swin_tiny --data.root=K400 --output=k400

Takes the run's own config; any option may be replaced by its flag. Without a run, a
converted checkpoint is measured with the classification head that it came with. Writes
evaluation.json, predictions.csv and the confusion matrix into --output, by default the
run's folder, and prints the result.
"""

import contextlib
from pathlib import Path

from absl import flags, logging

from configs.command.errors import ConfigError
from configs.command.flags import define, override
from configs.command.launch import parse, run

if __name__ == "__main__":
    define()
    flags.DEFINE_string(
        "output", None, "Folder for the results; empty: the run's folder."
    )
    flags.DEFINE_integer("step", None, "Step of the checkpoint; empty: the newest.")
    parse()  # Here: --help and mistakes need not wait for TensorFlow's import.

from data import open_clips
from model import Evaluator, open_trained, summary, write_report
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
    with contextlib.ExitStack() as stack:
        if not FLAGS.output:
            folder = RunFolder(FLAGS.workdir)
            folder.saved_config()  # Refuses a folder without a run before it is made.
            stack.enter_context(folder.locked())
        trained = open_trained(
            FLAGS.workdir,
            FLAGS["model.handle"].value,
            step=FLAGS.step,
            override=override,
            prepare=prepare,
        )
        if FLAGS.output:  # After what may be refused: it makes the folder.
            stack.enter_context(RunFolder(FLAGS.output).locked())
        result = evaluate(trained, Path(FLAGS.output or FLAGS.workdir))
    print(f"{FLAGS.output or FLAGS.workdir}: {summary(result)}")


def prepare(config):
    """Chooses the devices and the precision; returns the strategy's scope."""
    strategy = create_strategy(config.runtime)
    set_precision(config.runtime.precision)
    return strategy.scope()


def evaluate(trained, output):
    """Evaluates a trained model on the test split that its config names.

    Args:
        trained: a `model.trained.Trained`, created under a strategy's scope.
        output: the folder for the results.

    Returns:
        What evaluation.json holds.

    Raises:
        ConfigError: the videos are of other classes than the model's.
    """
    config, strategy = trained.config, trained.model.distribute_strategy
    clips = open_clips(config.data, config.views, seed=config.seed)
    check_classes(trained.class_names, clips.class_names, config.data.root)
    if trained.step is not None:
        logging.info("Evaluating step %d.", trained.step)
    probabilities = Evaluator(trained.model, strategy)(
        clips.views(strategy), videos=clips.test_size, views=config.views.count
    )
    return write_report(output, probabilities, clips, config, trained.step)


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
    run(main)
