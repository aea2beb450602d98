"""A fresh process of `python -m benchmarks.step`: a kind and a `Task` as JSON.

Prints what `benchmarks.step.task` has for the kind, as JSON.
"""

import dataclasses
import json
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import tensorflow as tf
import tf_keras as keras

from benchmarks.step.task import Loop, Memory, Replicas, Task
from benchmarks.step.updates import Update, batches, precision
from callbacks import Preemption, Record, Watchdog
from configs.schema import Calendar, Runtime
from configs.schema.serialization import from_json, to_json
from storage.checkpoints import CheckpointStore
from storage.records import decode
from storage.run_folder import RunFolder
from strategy import create_strategy

GPU = "GPU:0"
ROUNDS = 3  # of `fit` and as many steps without it


def memory(experiment, steps, _):
    """What a step takes, as `Memory`."""
    update = Update(create_strategy(Runtime(replicas=1)), experiment)
    built = built_bytes()
    first = update.first()
    steady = statistics.median(update.seconds() for _ in range(steps))
    return Memory(built, peak_bytes() - built, first, steady, update.graph_bytes)


def built_bytes():
    """Bytes that are taken before the first step; of a GPU, the peak starts anew."""
    if not tf.config.list_physical_devices("GPU"):
        return peak_bytes()
    tf.config.experimental.reset_memory_stats(GPU)
    return tf.config.experimental.get_memory_info(GPU)["current"]


def peak_bytes():
    """The most that was taken: of the GPU by TensorFlow, else of main memory.

    The peak resident set is the kernel's, which counts from this program's start; what
    `getrusage` tells may be that of the process that has started this one.
    """
    if tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_memory_info(GPU)["peak"]
    status = Path("/proc/self/status").read_text("utf-8", "replace")
    return 1024 * int(re.search(r"VmHWM:\s*(\d+) kB", status)[1])


def replicas(experiment, steps, count):
    """The same batch on one replica and on several in turn, as `Replicas`."""
    data = dataclasses.replace(
        experiment.data, batch_size=count * experiment.data.batch_size
    )
    experiment = dataclasses.replace(experiment, data=data)
    # The larger number first: TensorFlow fixes its devices at first use.
    several, one = (
        Update(create_strategy(Runtime(replicas=number)), experiment)
        for number in (count, 1)
    )
    first, _ = several.first(), one.first()
    rounds = [(one.seconds(), several.seconds()) for _ in range(steps)]
    return Replicas(*map(statistics.median, zip(*rounds, strict=True)), first)


def loop(experiment, steps, _):
    """A step within `fit` and its callbacks, and without, as `Loop`."""
    strategy = create_strategy(Runtime(replicas=1))
    update = Update(strategy, experiment)
    update.first()
    stamps, bare = Stamps(), []
    stall = 60 * experiment.checkpoints.stall_minutes
    with tempfile.TemporaryDirectory() as folder, Watchdog(stall) as watchdog:
        record = record_of_run(Path(folder) / "run", update, steps, watchdog)
        for epoch in range(ROUNDS):
            with precision(experiment.runtime.precision):
                update.model.fit(
                    batches(strategy, experiment),
                    steps_per_epoch=1 + steps,  # The first has none before it.
                    initial_epoch=epoch,
                    epochs=epoch + 1,
                    callbacks=[*record.callbacks, stamps],
                    verbose=0,
                )
            bare += [update.seconds() for _ in range(steps)]
        store = CheckpointStore(
            Path(folder) / "checkpoints", update.model, run_id="benchmark", keep=2
        )
        saves = [timed(lambda step=step: store.save(step)) for step in range(ROUNDS)]
    return Loop(*map(statistics.median, (bare, stamps.seconds, saves)))


def record_of_run(path, update, steps, watchdog):
    """The `Record` of a run that begins in a new folder."""
    path.mkdir()
    folder = RunFolder(path)
    folder.begin(to_json(update.experiment), {})
    batch_size = update.experiment.data.batch_size
    black = np.zeros([1, 3, 2, 2], np.uint8), "", "", 1
    return Record(
        update.experiment,
        folder,
        update.model,
        SimpleNamespace(check_lost=lambda _: None, first=lambda _: [black]),
        Calendar((1 + steps) * batch_size, batch_size, ROUNDS),
        watchdog=watchdog,
        preemption=Preemption(),
        share=lambda _, value: value,
    )


class Stamps(keras.callbacks.Callback):
    """Notes how long each step of `fit` took, but for the first of an epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []
        self.last = None

    def on_epoch_begin(self, epoch, logs=None):
        """Begins anew."""
        self.last = None

    def on_train_batch_end(self, batch, logs=None):
        """Notes the seconds since the step before."""
        now = time.perf_counter()
        if self.last is not None:
            self.seconds.append(now - self.last)
        self.last = now


def timed(act):
    """Seconds that a call takes."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


KINDS = {"memory": memory, "replicas": replicas, "loop": loop}

if __name__ == "__main__":
    kind, text = sys.argv[1:]
    task = decode(text, Task)
    found = KINDS[kind](from_json(task.experiment), task.steps, task.replicas)
    print(json.dumps(dataclasses.asdict(found)))
