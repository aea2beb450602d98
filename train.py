"""Fine-tunes a Video Swin Transformer on every GPU of this machine.

    python train.py --config=ucf101_swin_tiny --data.root=UCF101 --workdir=runs/tiny \\
        --model.handle=CONVERTED

Every field of the config is a flag. Rerunning the same command goes on from the newest
checkpoint; a finished run says so and ends. Exit codes: 0 finished, 2 usage or config,
3 data, 4 no usable checkpoint, 5 numerics, 6 storage, 7 locked, 75 stopped by SIGTERM
and 130 by Ctrl-C (the same command goes on), 1 stalled or a defect (see the stacks).
"""

import dataclasses

import tf_keras as keras
from absl import flags, logging

from callbacks import (
    CheckpointStore,
    Preemption,
    Record,
    RunFolder,
    Watchdog,
    scores,
    summary,
    write_report,
)
from configs.calendar import Calendar
from configs.flags import define, from_json, load, run, to_json
from data import open_clips
from model import (
    Evaluator,
    check_handle,
    create_model,
    create_optimizer,
    describe_groups,
    graph_fingerprint,
    resolve_architecture,
)
from strategy import create_strategy, set_precision

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
    """The config with the architecture that `model.handle` has.

    A run of the native model knows its own and has its weights in a checkpoint: once it
    has one, the handle need not exist any more.
    """
    folder.check_files()
    if folder.has_checkpoint:
        before = from_json(folder.saved_config()).model
        if before.embed_dim is not None:
            return dataclasses.replace(config, model=config.model.completed(before))
    model = resolve_architecture(config.model)
    check_handle(model, frames=config.data.frames, size=config.data.size)
    return dataclasses.replace(config, model=model)


def train(config, folder, preemption):
    """Trains to the last epoch, from the newest checkpoint on, and evaluates.

    Args:
      config: the `Experiment`, its architecture resolved.
      folder: the `RunFolder`, locked.
      preemption: the installed `Preemption`.

    Returns:
      What evaluation.json holds.
    """
    with Watchdog(60 * config.checkpoints.stall_minutes) as watchdog:
        strategy = create_strategy(config.runtime)
        config.check_replicas(strategy.num_replicas_in_sync)
        clips = open_clips(
            config.data,
            config.views,
            seed=config.seed,
            leave_out=folder.identity.get("left_out", ()),
            after_video=watchdog.beat,
        )
        folder.begin(to_json(config), identity(config, clips))
        calendar = Calendar(clips.train_size, config.data.batch_size, config.epochs)
        model = build(
            config,
            calendar,
            strategy,
            classes=len(clips.class_names),
            pretrained=not folder.has_checkpoint,
        )
        evaluator = Evaluator(model, strategy)
        store = CheckpointStore(
            folder / "checkpoints",
            model,
            run_id=folder.identity["run_id"],
            keep=config.checkpoints.keep,
        )
        record = Record(config.checkpoints, folder, store, calendar, clips.check_lost)
        preemption.begin(record)

        def alive():
            watchdog.beat()
            preemption.poll()

        alive()
        step = record.step
        logging.info("From step %d to %d.", step, calendar.steps)
        for epoch in range(calendar.first_epoch(step), config.epochs):
            end = calendar.end(epoch)
            if step < end:
                model.fit(
                    clips.train(strategy, step),
                    steps_per_epoch=end - step,
                    initial_epoch=epoch,
                    epochs=epoch + 1,
                    # Last: a step is journaled, and saved if due, before a run may end.
                    callbacks=[*record.callbacks, watchdog, preemption],
                    verbose=0,
                )
                step = end
                record.saver.save(step)
                alive()
            if not record.has_epoch(epoch):
                validation = validate(config, evaluator, clips, strategy, alive)
                log_epoch(config, record.add_epoch(epoch, validation))
        record.saver.save(step, required=True)
        alive()
        probabilities = evaluator(
            clips.views(strategy),
            videos=clips.test_size,
            views=config.views.clips * config.views.crops,
            after_batch=alive,
        )
        result = write_report(folder.path, probabilities, clips, config, step)
        folder.finish(result)
        return result


def build(config, calendar, strategy, classes, pretrained):
    """The compiled model, `pretrained` with the weights of `model.handle`."""
    set_precision(config.runtime.precision)
    keras.utils.set_random_seed(config.seed)
    with strategy.scope():
        model = create_model(
            config.model,
            classes=classes,
            pretrained=pretrained,
            label_smoothing=config.optimizer.label_smoothing,
            micro_batches=config.runtime.micro_batches,
        )
        optimizer = create_optimizer(
            config.optimizer,
            model,
            steps=calendar.steps,
            warmup_steps=calendar.steps_of(config.optimizer.warmup_epochs),
        )
        model.compile(optimizer)
        model.optimizer.build(model.trainable_variables)
    for line in describe_groups(optimizer):
        logging.info("%s", line)
    return model


def identity(config, clips):
    """What must stay the same while a run is continued, besides its config."""
    return {
        "graph_fingerprint": graph_fingerprint(config.model),
        "class_names": clips.class_names,
        "train_size": clips.train_size,
        "left_out": clips.left_out,
        "train_fingerprint": clips.train_fingerprint,
        "evaluation_fingerprint": clips.evaluation_fingerprint,
    }


def validate(config, evaluator, clips, strategy, alive):
    """An epoch's validation as entries of its row: none, or scores of a single view."""
    row = {"validation": config.data.validation}
    if config.data.validation == "none":
        return row
    probabilities = evaluator(
        clips.validation(strategy), videos=clips.validation_size, after_batch=alive
    )
    result = scores(probabilities.mean, probabilities.readable, clips.validation_labels)
    row["validation_loss"] = result["loss"]
    return row | {name: result[name] for name in ("top1", "top5")}


def log_epoch(config, row):
    """One line for an epoch."""
    line = f"epoch {row['epoch'] + 1}/{config.epochs}: loss {row['loss']:.4f}"
    line += f", accuracy {row['accuracy']:.4f}"
    if "top1" in row:
        line += (
            f"; {row['validation']}: top-1 {row['top1']:.4f}, top-5 {row['top5']:.4f}"
        )
    logging.info("%s", line)


if __name__ == "__main__":
    define()
    flags.mark_flags_as_required(["config", "workdir"])
    run(main)
