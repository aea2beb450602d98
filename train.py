"""Fine-tunes a Video Swin Transformer on every GPU of this machine.

    python train.py --config=ucf101_swin_tiny --data.root=UCF101 --workdir=runs/tiny \\
        --model.handle=CONVERTED

Every option of the experiment is a flag. Rerunning the same command continues from the
newest checkpoint; a finished run says so and ends. Exit codes: 0 finished, 2 usage or
config, 3 data, 4 no usable checkpoint, 5 numerics, 6 storage, 7 locked, 75 stopped by
SIGTERM, SIGHUP or SIGUSR1 and 130 by Ctrl-C (the same command continues), 1 stalled or
a defect (see the stacks).
"""

import dataclasses
import functools

from absl import flags, logging

from configs.command.flags import define, load
from configs.command.launch import parse, run

if __name__ == "__main__":
    define()
    flags.mark_flags_as_required(["config", "workdir"])
    parse()  # Here: --help and mistakes need not wait for TensorFlow's import.

from callbacks import Preemption, Record, Watchdog
from configs.schema import Calendar
from configs.schema.serialization import from_json, to_json
from data import open_clips
from model import (
    Evaluator,
    create_model,
    create_optimizer,
    describe_groups,
    graph_fingerprint,
    resolve_model,
    scores,
    summary,
    write_report,
)
from storage.run_folder import RunFolder
from storage.starts import note_start
from strategy import create_strategy, environment, set_precision

FLAGS = flags.FLAGS


def main(_):
    """Trains or continues the experiment that the flags describe, and reports."""
    config = load(FLAGS.config)
    preemption = Preemption()
    with RunFolder(FLAGS.workdir).locked() as folder:
        config = resolve(config, folder)
        folder.check_config(dataclasses.asdict(config))
        result = folder.finished or train(config, folder, preemption)
    print(f"{folder.path}: {summary(result)}")


def resolve(config, folder):
    """Fills in what the handle, or the run that is continued, says of the backbone."""
    folder.check_files()
    begun = from_json(folder.saved_config()).model if folder.has_checkpoint else None
    model = resolve_model(
        config.model, begun, frames=config.data.frames, size=config.data.size
    )
    return dataclasses.replace(config, model=model)


def train(config, folder, preemption):
    """Trains to the last epoch, from the newest checkpoint on, and evaluates.

    Args:
        config: the `Experiment`, resolved.
        folder: the `RunFolder`, locked.
        preemption: the installed `Preemption`.

    Returns:
        What evaluation.json holds.
    """
    with Watchdog(60 * config.checkpoints.stall_minutes) as watchdog:
        strategy = create_strategy(config.runtime)
        config.check_replicas(strategy.num_replicas_in_sync)
        clips = begin(config, folder, watchdog)
        calendar = Calendar(clips.train_size, config.data.batch_size, config.epochs)
        model = build(config, folder, clips, calendar, strategy)
        record = Record(
            config.checkpoints,
            folder,
            model,
            calendar,
            check_clips=clips.check_lost,
            watchdog=watchdog,
            preemption=preemption,
        )
        facts = environment(strategy, config.runtime.precision)
        note_start(folder / "starts.jsonl", {"step": record.step, **facts})
        evaluator = Evaluator(model, strategy, after_batch=record.alive)
        validate = functools.partial(validation, config, clips, evaluator)
        logging.info("From step %d to %d.", record.step, calendar.steps)
        for epoch in range(calendar.first_epoch(record.step), config.epochs):
            if record.step < calendar.end(epoch):
                model.fit(
                    clips.train(strategy, record.step),
                    steps_per_epoch=calendar.end(epoch) - record.step,
                    initial_epoch=epoch,
                    epochs=epoch + 1,
                    callbacks=record.callbacks,
                    verbose=0,
                )
            record.end_epoch(epoch, validate)
        record.end()
        probabilities = evaluator(
            clips.views(strategy), videos=clips.test_size, views=config.views.count
        )
        result = write_report(folder.path, probabilities, clips, config, record.step)
        folder.finish(result)
        return result


def begin(config, folder, watchdog):
    """Opens the clips, and begins the run in its folder or checks that it is the same.

    Returns:
        `data.clips.Clips`.
    """
    clips = open_clips(
        config.data,
        config.views,
        seed=config.seed,
        leave_out=folder.identity.get("left_out", ()),
        after_video=watchdog.beat,
    )
    identity = {"graph_fingerprint": graph_fingerprint(config.model), **clips.identity}
    folder.begin(to_json(config), identity)
    return clips


def build(config, folder, clips, calendar, strategy):
    """Creates and compiles the model; `Record` restores a checkpoint into it later."""
    set_precision(config.runtime.precision)
    with strategy.scope():
        model = create_model(
            config.model,
            num_classes=len(clips.class_names),
            seed=config.seed,
            pretrained=not folder.has_checkpoint,
        )
        optimizer = create_optimizer(
            config.optimizer,
            model,
            steps=calendar.steps,
            warmup_steps=calendar.steps_of(config.optimizer.warmup_epochs),
        )
        model.compile(
            optimizer,
            label_smoothing=config.optimizer.label_smoothing,
            accumulation_steps=config.runtime.accumulation_steps,
        )
    for line in describe_groups(optimizer):
        logging.info("%s", line)
    return model


def validation(config, clips, evaluator):
    """Entries of an epoch's row: which validation it was, its loss and accuracies."""
    row = {"validation": config.data.validation}
    if config.data.validation == "none":
        return row
    probabilities = evaluator(
        clips.validation(evaluator.strategy), videos=clips.validation_size
    )
    result = scores(probabilities.mean, probabilities.readable, clips.validation_labels)
    row["validation_loss"] = result["loss"]
    return row | {name: result[name] for name in ("top1", "top5")}


if __name__ == "__main__":
    run(main)
