"""One worker of `python -m benchmarks.scaling --check`: times steps and all-reduces.

Started with TF_CONFIG and a `Task` as JSON. Worker 0 prints a `Timing` as JSON.
"""

import dataclasses
import json
import math
import statistics
import sys
import time

import numpy as np
import tensorflow as tf

from benchmarks.scaling.task import Task, Timing
from configs.schema.serialization import from_json
from model import create_model, create_optimizer
from storage.records import decode
from strategy import set_precision

WARM_UP = 2


def main(task):
    """Times what the task says.

    Args:
        task: a `Task`.

    Returns:
        (`Timing`, whether this is worker 0).
    """
    # One thread each for the mathematics: workers then share cores only where there
    # are more of them than cores.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    set_precision(from_json(task.experiment).runtime.precision)
    reduces = [all_reduce_of(strategy, size) for size in task.sizes]
    model, step, reduced = step_of(strategy, task)
    _, computing, _ = step_of(tf.distribute.get_strategy(), task)
    timed_reduces = [timed(reduce, task.repeats) for reduce in reduces]
    timed_step = timed(step, task.repeats)
    # The all-reduces and steps before keep the workers together until here.
    timing = Timing(
        step=timed_step,
        computing=timed(computing, task.repeats),
        all_reduces=timed_reduces,
        collectives=reduced,
        parameters=sum(math.prod(v.shape) for v in model.trainable_variables),
    )
    return timing, strategy.cluster_resolver.task_id == 0


def all_reduce_of(strategy, size):
    """A function that all-reduces `size` bytes of float32 and waits for the sum."""

    @tf.function
    def add_up(value):
        def replica(value):
            context = tf.distribute.get_replica_context()
            return context.all_reduce("SUM", tf.identity(value))  # on its device

        return strategy.run(replica, args=(value,))

    value = tf.ones([size // 4])

    def reduce():
        total = strategy.experimental_local_results(add_up(value))[0].numpy()[-1]
        if total != strategy.num_replicas_in_sync:
            workers = strategy.num_replicas_in_sync
            raise ValueError(f"The ones of {workers} workers add up to {total}.")

    return reduce


def step_of(strategy, task):
    """A model, a function that trains it on noise, and the step's all-reduces.

    Returns:
        (`Classifier`, function, bytes of each all-reduce in the graph, descending).
    """
    model, batch = create(strategy, task)
    update = tf.function(lambda data: strategy.run(model.train_step, args=(data,)))

    def step():
        # Read from the device, so that the step is over.
        float(strategy.experimental_local_results(update(batch)["loss"])[0])

    return model, step, collectives(update.get_concrete_function(batch).graph)


def create(strategy, task):
    """A compiled model and a batch of noise for it."""
    config = from_json(task.experiment)
    data = config.data
    with strategy.scope():
        model = create_model(
            config.model, num_classes=task.classes, seed=0, pretrained=False
        )
        model.compile(
            create_optimizer(
                config.optimizer,
                model,
                batch_size=data.batch_size,
                steps=1000,
                warmup_steps=10,
            ),
            accumulation_steps=config.runtime.accumulation_steps,
        )
    shape = [task.clips, data.frames, 3, data.size, data.size]
    clip = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    inputs = {
        "clip": tf.constant(clip),
        "seed": tf.ones([task.clips, 2], tf.int32),
        "video": tf.zeros([task.clips], tf.int64),
    }
    labels = tf.zeros([task.clips], tf.int32)
    return model, (inputs, labels, tf.ones([task.clips]))


def collectives(graph):
    """Bytes of every all-reduce in a graph, descending."""
    operations = graph.get_operations()
    reduced = [o.inputs[0] for o in operations if o.type.startswith("CollectiveReduce")]
    sizes = [tensor.shape.num_elements() * tensor.dtype.size for tensor in reduced]
    return sorted(sizes, reverse=True)


def timed(act, repeats):
    """Median seconds of a call, after some that do not count."""
    for _ in range(WARM_UP):
        act()
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


if __name__ == "__main__":
    timing, is_first = main(decode(sys.argv[1], Task))
    if is_first:
        print(json.dumps(dataclasses.asdict(timing)))
