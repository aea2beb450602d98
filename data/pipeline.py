"""The tf.data side of `Clips`: which worker reads what, in which order and batches.

A stream is a sequence of positions, integers from 0 on. What is read for a position is
up to the functions `read` of `data.clips`; here positions are distributed over workers
and replicas, put into batches and decoded a few batches ahead. No iterator has state
worth saving, because a stream can begin at any position.
"""

import math

import numpy as np
import tensorflow as tf

from configs.command.errors import ConfigError
from configs.schema.experiment import divisors
from data.order import training_order
from data.stream import distributed


def train_batches(strategy, read, *, step, labels, seed, data):
    """The endless training stream from `step` on.

    Position g is the g-th clip of an endless sequence; `data.order` says which video it
    is of. The global batch of a step is the same whatever the number of workers and
    replicas.

    Args:
        strategy: a `tf.distribute.Strategy`.
        read: function of int64 [b] positions and int64 [b] indices of training videos
            that returns the features "clip", "seed" and "video", labels and weights.
        step: the first step.
        labels: int [videos], the class of each training video.
        seed: int in [0, 2^31), of the permutations.
        data: a `configs.schema.Data`.

    Returns:
        Distributed dataset of ({"clip", "seed", "video"}, label, weight).

    Raises:
        ConfigError: the replicas do not divide data.batch_size.
    """
    order = training_order(data.sampling, labels, seed)

    def create(context):
        positions = batch_positions(context, data.batch_size, step, None)
        shuffled = positions.map(lambda position: (position, order(position)))
        return _decode(
            shuffled.batch(data.batch_size // context.num_replicas_in_sync),
            read,
            keys=("clip", "seed", "video"),
            data=data,
            context=context,
        )

    return _distribute(strategy, create, data.batch_size)


def first_clips(count, *, labels, seed, data):
    """Where the first clips of the training stream are, as its `read` takes it.

    Args:
        count: how many.
        labels: see `train_batches`.
        seed: see `train_batches`.
        data: see `train_batches`.

    Returns:
        (int64 [count] positions, int64 [count] indices of training videos).
    """
    order = training_order(data.sampling, labels, seed)
    positions = np.arange(count)
    return positions, np.array([order(position).numpy() for position in positions])


def validation_batches(strategy, read, *, videos, data):
    """The positions 0, 1, 2, … of as many full batches as hold all validation videos.

    Args:
        strategy: a `tf.distribute.Strategy`.
        read: function of int64 [b] positions, which returns the features "clip" and
            "video", labels and weights. Positions from `videos` on are padding.
        videos: number of validation videos.
        data: a `configs.schema.Data`.

    Returns:
        Distributed dataset of ({"clip", "video"}, label, weight).

    Raises:
        ConfigError: the replicas do not divide data.batch_size.
    """
    steps = math.ceil(videos / data.batch_size)

    def create(context):
        positions = batch_positions(context, data.batch_size, 0, steps)
        return _decode(
            positions.batch(data.batch_size // context.num_replicas_in_sync),
            read,
            keys=("clip", "video"),
            data=data,
            context=context,
        )

    return _distribute(strategy, create, data.batch_size)


def view_batches(strategy, read, *, clips, data, views):
    """Every view of every test clip; see `view_positions` for who reads which.

    Args:
        strategy: a `tf.distribute.Strategy`.
        read: function of int64 [b] positions, which returns for every crop of each
            position the features "clip", "video" and "view", labels and weights.
            Positions from `clips` on are padding.
        clips: number of test clips, those of all videos together.
        data: a `configs.schema.Data`.
        views: a `configs.schema.Views`.

    Returns:
        Distributed dataset of ({"clip", "video", "view"}, label, weight), with
        views.batch_size_per_replica of them for each replica.
    """
    batch, crops = views.batch_size_per_replica, views.crops

    def create(context):
        positions, batches = view_positions(context, clips, crops=crops, batch=batch)
        decoded = _decode(
            positions.batch(math.ceil(batch / crops)),
            read,
            keys=("clip", "video", "view"),
            data=data,
            context=context,
        )
        return decoded.unbatch().batch(batch).take(batches).prefetch(1)

    return distributed(strategy, create)


def batch_positions(context, batch_size, step, steps):
    """The positions that one worker reads of each global batch.

    The batch of step s has the positions from s * batch_size on. Each worker reads an
    equal slice of it, the first worker the first slice.

    Example: a batch size of 12 and 3 workers make slices of 4 positions. In step 5,
    worker 1 (the second) reads the positions 5 * 12 + 1 * 4 = 64 to 67.

    Args:
        context: the worker's `tf.distribute.InputContext`.
        batch_size: positions of a global batch.
        step: the first step.
        steps: how many steps; None for an endless stream.

    Returns:
        tf.data.Dataset of int64.
    """
    part = batch_size // context.num_input_pipelines
    offset = context.input_pipeline_id * part
    end = np.iinfo(np.int64).max if steps is None else (step + steps) * part
    numbers = tf.data.Dataset.range(step * part, end)
    return numbers.map(lambda k: k // part * batch_size + offset + k % part)


def view_positions(context, clips, *, crops, batch):
    """The test clips that one worker reads, and how many batches of views they fill.

    Position p is clip p % views.clips of test video p // views.clips. The workers take
    turns: worker w of W reads the positions w, w + W, w + 2 W, … A clip is decoded once
    for all its crops, so each position gives `crops` views in a row.

    Every replica must get the same number of batches, or else the others would wait for
    it for ever. So a worker may also read positions after the last clip: padding.

    Example: 5 videos of 2 clips are 10 clips, which are 30 views at 3 crops. There are
    2 workers of 2 replicas each, and a batch has 4 views.

        clips of a worker          ceil(10 / 2) = 5, which are 15 views
        views in a step            2 replicas * 4 = 8
        steps                      ceil(15 / 8) = 2
        batches of a worker        2 steps * 2 replicas = 4, which are 16 views
        positions of a worker      ceil(16 / 3) = 6
        worker 0 reads             0 2 4 6 8 10
        worker 1 reads             1 3 5 7 9 11

    The positions 10 and 11 are padding. Each gives 3 views, of which only the first
    belongs to the 16 views of its worker; the caller drops the other two.

    Args:
        context: the worker's `tf.distribute.InputContext`.
        clips: number of test clips, those of all videos together.
        crops: views of a clip.
        batch: views in a batch, which goes to one replica.

    Returns:
        tf.data.Dataset of int64 positions, and the number of batches.
    """
    workers = context.num_input_pipelines
    replicas = context.num_replicas_in_sync // workers
    own = math.ceil(clips / workers) * crops
    batches = math.ceil(own / (batch * replicas)) * replicas
    numbers = tf.data.Dataset.range(math.ceil(batches * batch / crops))
    return numbers.map(lambda k: k * workers + context.input_pipeline_id), batches


def _distribute(strategy, create, batch_size):
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise ConfigError(
            f"data.batch_size must be divisible by the {replicas} replicas; received "
            f"{batch_size}, which divides over {divisors(batch_size)} replicas."
        )
    return distributed(strategy, create)


def _decode(batches, read, *, keys, data, context):
    """Runs `read` on each batch of positions, a few batches ahead."""
    ahead = context.num_replicas_in_sync // context.num_input_pipelines + 1
    types = [tf.uint8 if key == "clip" else tf.int32 for key in keys]
    types += [tf.int32, tf.float32]
    shapes = {"clip": [None, data.frames, 3, data.size, data.size], "seed": [None, 2]}

    def decode(*positions):
        values = tf.numpy_function(read, positions, types, stateful=False)
        for key, value in zip((*keys, "label", "weight"), values, strict=True):
            value.set_shape(shapes.get(key, [None]))
        *features, label, weight = values
        return dict(zip(keys, features, strict=True)), label, weight

    options = tf.data.Options()
    # Waiting for a decoder must not occupy the threads that compute the model.
    options.threading.private_threadpool_size = ahead + 1
    # Nothing here is left to tf.data to tune. Its tuner sleeps, twice as long each time
    # up to a minute, and where it misses that the stream ends, all wait until it wakes.
    options.autotune.enabled = False
    decoded = batches.map(decode, num_parallel_calls=ahead, deterministic=True)
    return decoded.prefetch(ahead).with_options(options)
