"""A small training run on clips that are the same on every machine."""

import dataclasses
import statistics
import time

import numpy as np
import tensorflow as tf

CLASSES = 8
BATCHES = 2  # that are repeated
TRACED = 5  # first steps, which are slower


@dataclasses.dataclass(frozen=True)
class SmallRun:
    """What a small run measured.

    Attributes:
        name: what it ran on, or how.
        losses: float64 [steps].
        norms: float64 [steps], of the gradients.
        seconds: of a step, the median.
    """

    name: str
    losses: np.ndarray
    norms: np.ndarray
    seconds: float


def one_replica(strategy):
    """A strategy of one replica: the first device of this worker.

    It needs no collective operation, so that it may run beside a cluster's strategy.
    """
    return tf.distribute.OneDeviceStrategy(strategy.extended.worker_devices[0])


def small_run(name, strategy, model, data, *, steps, after_step=lambda: None):
    """Trains on `known_clips`; every worker must call this.

    Args:
        name: of the result.
        strategy: a `tf.distribute.Strategy`.
        model: a compiled classifier of `CLASSES` classes, created under it.
        data: a `configs.schema.Data`; its batch size, frames and size are taken.
        steps: how many updates.
        after_step: called after each.

    Returns:
        `SmallRun`.
    """
    update = model.make_train_function()
    iterator = iter(_batches(strategy, data))
    losses, norms, durations = [], [], []
    for _ in range(steps):
        begin = time.perf_counter()
        results = update(iterator)
        losses.append(float(results["loss"]))  # Waits until it is computed.
        norms.append(float(results["gradient_norm"]))
        durations.append(time.perf_counter() - begin)
        after_step()
    seconds = statistics.median(durations[TRACED:] or durations)
    return SmallRun(name, np.array(losses), np.array(norms), seconds)


def known_clips(data):
    """Clips of noise whose mean colour tells the class.

    Args:
        data: a `configs.schema.Data`.

    Returns:
        ({"clip" uint8 [n, T, 3, H, W], "seed" int32 [n, 2], "video" int32 [n]},
        labels int32 [n], weights float32 [n]), with n = `BATCHES` times the batch size.
    """
    count = BATCHES * data.batch_size
    generator = np.random.default_rng(0)
    video = np.arange(count, dtype=np.int32)
    label = video % CLASSES
    colour = generator.integers(0, 128, [CLASSES, 1, 3, 1, 1], np.uint8)
    shape = [count, data.frames, 3, data.size, data.size]
    clip = generator.integers(0, 128, shape, np.uint8)
    clip += colour[label]
    inputs = {"clip": clip, "seed": np.stack([video, video], 1), "video": video}
    return inputs, label, np.ones([count], np.float32)


def _batches(strategy, data):
    """Distributed, endless; each worker has its slice of each global batch."""
    clips = known_clips(data)

    def create(context):
        part = data.batch_size // context.num_input_pipelines
        first = context.input_pipeline_id * part
        rows = np.arange(len(clips[1])).reshape(BATCHES, data.batch_size)
        rows = rows[:, first : first + part].ravel()
        own = tf.nest.map_structure(lambda values: values[rows], clips)
        each = data.batch_size // context.num_replicas_in_sync
        options = tf.data.Options()
        options.autotune.enabled = False  # See `data.pipeline`.
        dataset = tf.data.Dataset.from_tensor_slices(own).with_options(options)
        return dataset.batch(each, drop_remainder=True).repeat().prefetch(2)

    return strategy.distribute_datasets_from_function(create)
