"""Fine-tunes a Video Swin Transformer on every GPU of one machine or several.

    python train.py --config=ucf101_swin_tiny --data.root=UCF101 --workdir=runs/tiny \\
        --model.handle=CONVERTED

Every option of the experiment is a flag. Rerunning the same command, or --workdir=RUN
alone, continues from the newest checkpoint; a finished run says so and ends. With
--init_from=RUN a new run begins with another's weights. With --dry_run all is done up
to the first step, which is tried, the plan is printed, and nothing is kept. Exit codes:
0 finished, 2 usage or config, 3 data, 4 no usable checkpoint, 5 numerics, 6 storage, 7
locked, 75 stopped by SIGTERM, SIGHUP or SIGUSR1 and 130 by Ctrl-C (the same command
continues), 1 stalled or a defect (see the stacks); of several workers 75 also where one
was lost or stalled.
"""

import contextlib
import dataclasses
import functools

from absl import flags, logging

from configs.command.dry_run import check_dry_run, define_dry_run, say_plan
from configs.command.flags import define, load_wanted, require_workdir
from configs.command.launch import log_to, run, start
from configs.command.text import say
from data import check_root
from model import check_handle
from storage.initial_run import begun_model, find_initial_run
from storage.plans import plan_run
from strategy import count_workers

FLAGS = flags.FLAGS


def plan(_):
    """The `Experiment` of the flags, unless it must fail; says what is started."""
    require_workdir()
    config, name = load_wanted()
    workers = count_workers(config.runtime.cluster)
    config.check_replicas(workers * (config.runtime.replicas or 1))
    check_dry_run(FLAGS.dry_run, workers)
    what = f"one of {workers} workers"
    if workers == 1:  # Several tell one another what one of them does not find.
        folder, what = plan_run(config, FLAGS.workdir)
        if not folder.finished:
            check_root(config.data)
        initial = find_initial_run(config, folder)
        if initial:
            what = f"{what} with the weights of {initial}"
        elif config.model.handle and not folder.has_checkpoint:
            check_handle(config.model.handle)
    act = "Trying" if FLAGS.dry_run else "Training"
    name = "" if name.endswith("config.json") else f" {name} in"
    logging.info("%s%s %s: %s.", act, name, FLAGS.workdir, what)
    return config


if __name__ == "__main__":
    define()
    define_dry_run()
    PLAN = start(plan, positional=False)  # What follows imports TensorFlow.

from callbacks import Preemption, Watchdog, keep_record, rehearse
from configs.schema import Calendar
from configs.schema.serialization import from_json, to_json
from data import open_clips
from model import (
    Evaluator,
    class_weights,
    create_model,
    create_optimizer,
    facts_after,
    finished_result,
    graph_fingerprint,
    initial_weights,
    keep_trained_videos,
    log_groups,
    log_what_fits,
    resolve_model,
    summary,
    take_initial_weights,
    validation_row,
    write_report,
)
from storage.starts import note_start
from storage.unwritten_folder import UnwrittenFolder
from strategy import (
    Workers,
    check_same,
    computing_environment,
    create_strategy,
    join_workers,
    open_folder,
    replica_memory,
    set_precision,
)


def main(config):
    """Trains or continues an `Experiment` in --workdir, and reports."""
    if FLAGS.dry_run:
        rehearsal(config, UnwrittenFolder(FLAGS.workdir))
        return
    preemption = Preemption()
    with contextlib.ExitStack() as stack:
        workers = stack.enter_context(join_workers(config.runtime))
        folder = stack.enter_context(open_folder(FLAGS.workdir, workers))
        if workers.is_chief:
            log_to(folder / "log.txt")
        check_same(config, workers)
        config = resolve(config, folder, workers)
        result = workers.from_chief(
            "result so far", lambda: finished_result(config, folder)
        )
        result = result or train(config, folder, preemption, workers)
    if workers.is_chief:
        say(f"{folder.path}: {summary(result)}")


def resolve(config, folder, workers):
    """Fills in what the handle, or the run that is continued, says of the backbone."""
    config = config.completed()

    def resolved():
        folder.check_files()
        begun = begun_model(config, folder)
        model = resolve_model(
            config.model, begun, frames=config.data.frames, size=config.data.size
        )
        full = dataclasses.replace(config, model=model)
        folder.check_config(dataclasses.asdict(full))
        return to_json(full)

    text = workers.from_chief("config", resolved)
    return dataclasses.replace(config, model=from_json(text).model)


def train(config, folder, preemption, workers):
    """Trains to the last epoch, from the newest checkpoint on, and evaluates.

    Args:
        config: the `Experiment`, resolved.
        folder: the `RunFolder`, locked by the chief.
        preemption: the installed `Preemption`.
        workers: the `Workers` of the run.

    Returns:
        What evaluation.json holds.
    """
    stall = 60 * config.checkpoints.stall_minutes
    with Watchdog(stall, exit_code=workers.stall_exit_code) as watchdog:
        workers.meanwhile = watchdog.beat
        strategy, clips, calendar, model = prepare(config, folder, workers)
        record = keep_record(
            config, folder, model, clips, calendar, watchdog, preemption, workers
        )
        facts = computing_environment(strategy, config.runtime.precision, workers)
        if workers.is_chief:
            note_start(folder / "starts.jsonl", {"step": record.step, **facts})
        evaluator = Evaluator(model, strategy, record.check_in, record.show_views)
        validate = functools.partial(validation_row, config.data, clips, evaluator)
        fit(model, clips, calendar, record, validate)
        probabilities = evaluator(
            clips.views(strategy), videos=clips.test_size, views=config.views
        )

        def report():
            facts = facts_after(folder, clips, record, workers.alive)
            result = write_report(
                folder.path, probabilities, clips, config, record.step, facts=facts
            )
            record.finish(result)
            return result

        return workers.from_chief("result", report)


def rehearsal(config, folder):
    """Tries the next updates of a run in an `UnwrittenFolder`, and prints its plan."""
    workers = Workers()
    config = resolve(config, folder, workers)
    result = finished_result(config, folder)
    if result:
        say(f"{folder.path}: {summary(result)}")
        return
    with Watchdog(60 * config.checkpoints.stall_minutes) as watchdog:
        workers.meanwhile = watchdog.beat
        strategy, clips, calendar, model = prepare(config, folder, workers)
        train_from = functools.partial(clips.train, strategy)
        tried = rehearse(folder, model, calendar, train_from, watchdog.beat)
        evaluator = Evaluator(model, strategy, after_batch=watchdog.beat)
        evaluator.try_batch(clips.views(strategy))
    replicas = strategy.num_replicas_in_sync
    say_plan(config, folder, clips, calendar, replicas, tried)


def prepare(config, folder, workers):
    """What a run needs before its first update.

    Returns:
        (strategy, `data.clips.Clips`, `Calendar`, compiled model).
    """
    strategy = create_strategy(config.runtime, workers)
    config.check_replicas(strategy.num_replicas_in_sync)
    clips = begin(config, folder, workers)
    calendar = Calendar(clips.train_size, config.data.batch_size, config.epochs)
    log_what_fits(config, clips, strategy, replica_memory(strategy), folder)
    model = build(config, folder, clips, calendar, strategy, workers)
    return strategy, clips, calendar, model


def fit(model, clips, calendar, record, validate):
    """Trains from the record's step to the last, validating each epoch."""
    line = "From step %d to %d; the first one compiles, for up to a minute."
    logging.info(line, record.step, calendar.steps)
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
        if record.end_epoch(epoch, validate):
            break
    record.end()


def begin(config, folder, workers):
    """Opens the clips, and begins the run in its folder or checks that it is the same.

    The chief scans the videos; the others read what it found, or look for themselves
    where their videos are copies of their own.

    Returns:
        `data.clips.Clips`.
    """
    weights = functools.partial(initial_weights, config, folder)
    workers.from_chief("initial weights", weights)  # Damaged ones: before the scan.
    left_out, run_split = workers.from_chief(
        "videos left out", lambda: (folder.identity.get("left_out", ()), folder.split)
    )
    clips = workers.chief_first(
        "scan",
        lambda: open_clips(
            config.data,
            config.views,
            seed=config.seed,
            leave_out=left_out,
            after_video=workers.alive,
            keep_split=folder.is_kept,
            run_split=run_split,
        ),
    )
    identity = {
        "graph_fingerprint": graph_fingerprint(config.model),
        # The other run may have gone on during the scan, and removed a checkpoint.
        "initial_weights": workers.from_chief("initial weights now", weights),
        **clips.identity,
    }
    workers.compare("videos", identity)
    if workers.is_chief:
        if clips.split_table and not folder.split:
            folder.write("split.csv", clips.split_table)
        folder.begin(to_json(config), identity)
        keep_trained_videos(config, folder, clips, workers.alive)
    workers.share("run begun")
    return clips


def build(config, folder, clips, calendar, strategy, workers):
    """Creates and compiles the model; a checkpoint is restored into it later."""
    set_precision(config.runtime.precision)
    begins = workers.is_chief and not folder.has_checkpoint
    with strategy.scope():
        model = create_model(
            config.model,
            num_classes=len(clips.class_names),
            seed=config.seed,
            pretrained=begins and not config.init_from,
        )
        durations = calendar.durations(config.optimizer)
        optimizer = create_optimizer(config.optimizer, model, **durations)
        model.compile(
            optimizer,
            label_smoothing=config.optimizer.label_smoothing,
            class_weights=class_weights(config.optimizer, clips.class_counts),
            accumulation_steps=config.runtime.accumulation_steps,
            jit_compile=config.runtime.jit_compile,
        )
    if begins:
        take_initial_weights(model, config, folder, clips.class_names)
    log_groups(optimizer)
    return model


if __name__ == "__main__":
    run(lambda _: main(PLAN), positional=False)
