"""Fine-tunes a Video Swin Transformer on every GPU of this machine.

    python train.py --config=ucf101_swin_tiny --data.root=UCF101 --workdir=runs/tiny \\
        --model.handle=CONVERTED

Every option of the experiment is a flag. Rerunning the same command continues from the
newest checkpoint; a finished run says so and ends. Exit codes: 0 finished, 2 usage or
config, 3 data, 4 no usable checkpoint, 5 numerics, 6 storage, 7 locked, 75 stopped by
SIGTERM, SIGHUP or SIGUSR1 and 130 by Ctrl-C (the same command continues), 1 stalled or
a defect (see the stacks).
"""

import collections
import dataclasses
import functools
from pathlib import Path

from absl import flags, logging

from configs.command.flags import define, load
from configs.command.launch import parse, run
from configs.command.text import say

if __name__ == "__main__":
    define()
    flags.mark_flags_as_required(["config", "workdir"])
    # Here: --help and mistakes need not wait for TensorFlow's import.
    parse(positional=False)

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
    trained_videos_before,
    write_report,
)
from storage.files import write_atomically
from storage.run_folder import RunFolder
from storage.starts import note_start
from storage.trained_videos import TRAINED_VIDEOS, read_trained_videos
from strategy import create_strategy, environment, set_precision

FLAGS = flags.FLAGS


def main(_):
    """Trains or continues the experiment that the flags describe, and reports."""
    config = load(FLAGS.config)
    preemption = Preemption()
    with RunFolder(FLAGS.workdir).locked() as folder:
        config = resolve(config, folder)
        folder.check_config(dataclasses.asdict(config))
        result = measured(config, folder) or train(config, folder, preemption)
    say(f"{folder.path}: {summary(result)}")


def resolve(config, folder):
    """Fills in what the handle, or the run that is continued, says of the backbone."""
    folder.check_files()
    begun = from_json(folder.saved_config()).model if folder.has_checkpoint else None
    model = resolve_model(
        config.model, begun, frames=config.data.frames, size=config.data.size
    )
    return dataclasses.replace(config, model=model)


def measured(config, folder):
    """The result of a run that has finished; None where there is none to be had.

    One that was measured with other views or videos than are wanted now is not shown:
    the run is then measured again.

    Args:
        config: the `Experiment`, resolved.
        folder: the `RunFolder`, locked.
    """
    result = folder.finished
    if not result:
        return None
    before = from_json(folder.saved_config())
    other = {
        "data.root": (Path(before.data.root), Path(config.data.root)),
        "views.clips": (result.get("clips"), config.views.clips),
        "views.crops": (result.get("crops"), config.views.crops),
    }
    changes = [
        f"{k} was {was}, is {now}" for k, (was, now) in other.items() if was != now
    ]
    if changes:
        logging.warning(
            "The run has finished, but was measured otherwise (%s): measuring again.",
            "; ".join(changes),
        )
        return None
    logging.info(
        "The run has finished at step %s; this is what was measured then.",
        result.get("step"),
    )
    root = config.data.root
    if root and "://" not in root and not Path(root).exists():
        logging.warning("data.root=%s is there no more.", root)
    return result


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
        fit(model, clips, calendar, record, validate)
        probabilities = evaluator(
            clips.views(strategy), videos=clips.test_size, views=config.views.count
        )
        facts = facts_of(folder, clips, record)
        result = write_report(
            folder.path, probabilities, clips, config, record.step, facts=facts
        )
        folder.finish(result)
        return result


def fit(model, clips, calendar, record, validate):
    """Trains from the record's step to the calendar's last, validating each epoch."""
    logging.info("From step %d to %d.", record.step, calendar.steps)
    for epoch in range(calendar.first_epoch(record.step), calendar.epochs):
        if record.step < calendar.end(epoch):
            model.fit(
                clips.train(model.distribute_strategy, record.step),
                steps_per_epoch=calendar.end(epoch) - record.step,
                initial_epoch=epoch,
                epochs=epoch + 1,
                callbacks=record.callbacks,
                verbose=0,
            )
        record.end_epoch(epoch, validate)
    record.end()


def facts_of(folder, clips, record):
    """What the evaluation is to say of the weights and of the videos."""
    seen = clips.identities.seen(read_trained_videos(folder / TRAINED_VIDEOS))
    return {
        "checkpoint": record.store.folder(record.step).name,
        "weights_sha256": record.store.weights_sha256(record.step),
        "test_fingerprint": clips.identities.test_fingerprint(record.alive),
        "left_out": list(clips.left_out),
        "trained_videos": seen and dict(collections.Counter(seen.values())),
    }


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
    keep_trained_videos(config, folder, clips, watchdog)
    return clips


def keep_trained_videos(config, folder, clips, watchdog):
    """Notes the videos that the run is trained on, and warns if it is tested on some.

    Those that its first weights were trained on are among them, as far as is known.
    """
    path = folder / TRAINED_VIDEOS
    trained = read_trained_videos(path)
    if trained is None:
        trained = clips.identities.trained_videos(after_video=watchdog.beat)
        if trained is None:
            return
        if not folder.has_checkpoint:  # The handle may be gone later.
            trained |= trained_videos_before(config)
        write_atomically(path, trained.to_json())
    seen = clips.identities.seen(trained)
    if seen:
        logging.warning(
            "%d of %d test videos are trained on, by content, name or group; the first "
            "is %s. The run's accuracy will say so.",
            len(seen),
            clips.test_size,
            next(iter(seen)),
        )


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
    """Entries of an epoch's row: which validation it was, its loss and accuracies.

    There is no loss where it is not finite, and no top-5 where classes are fewer.
    """
    row = {"validation": config.data.validation}
    if config.data.validation == "none":
        return row
    probabilities = evaluator(
        clips.validation(evaluator.strategy), videos=clips.validation_size
    )
    result = scores(probabilities.mean, probabilities.readable, clips.validation_labels)
    if result["loss"] is not None:
        row["validation_loss"] = result["loss"]
    return row | {name: result[name] for name in ("top1", "top5") if name in result}


if __name__ == "__main__":
    run(main, positional=False)
