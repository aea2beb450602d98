"""Compiled updates of random clips, as `fit` computes them."""

import contextlib
import time

import numpy as np
import tensorflow as tf
import tf_keras as keras

from benchmarks.step.peer import CLASSES
from model import create_model, create_optimizer
from strategy import set_precision

STEPS = 1000  # of the schedule


@contextlib.contextmanager
def precision(name):
    """Sets the precision of what is created and traced meanwhile."""
    usual = keras.mixed_precision.global_policy()
    set_precision(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(usual)


def random_clips(experiment, seed=0):
    """uint8 [batch, frames, 3, size, size] of noise."""
    data = experiment.data
    shape = [data.batch_size, data.frames, 3, data.size, data.size]
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def batches(strategy, experiment):
    """An endless distributed dataset of one batch that is there at once."""
    clip = random_clips(experiment)

    def create(context):
        count = len(clip) // context.num_replicas_in_sync
        inputs = {
            "clip": clip[:count],
            "seed": np.ones([count, 2], np.int32),
            "video": np.zeros(count, np.int64),
        }
        batch = (inputs, np.zeros(count, np.int32), np.ones(count, np.float32))
        return tf.data.Dataset.from_tensors(batch).repeat()

    return strategy.distribute_datasets_from_function(create)


class Update:
    """A compiled update of a model on a batch that is there already.

    Attributes:
        model: a compiled `model.classifier.Classifier`.
        graph_bytes: size of the update's GraphDef, once it is traced.
    """

    def __init__(self, strategy, experiment):
        """Builds the model; nothing is traced yet.

        Args:
            strategy: a `tf.distribute.Strategy`.
            experiment: whose model, optimizer, precision, batch and clip are taken.
        """
        self.strategy, self.experiment = strategy, experiment
        runtime = experiment.runtime
        with precision(runtime.precision), strategy.scope():
            self.model = create_model(experiment.model, num_classes=CLASSES, seed=0)
            optimizer = create_optimizer(
                experiment.optimizer,
                self.model,
                batch_size=experiment.data.batch_size,
                steps=STEPS,
                warmup_steps=10,
            )
            self.model.compile(
                optimizer,
                accumulation_steps=runtime.accumulation_steps,
                jit_compile=runtime.jit_compile,
            )
        self.batch = next(iter(batches(strategy, experiment)))
        self.update = self.compiled(self.model.train_step)
        self.graph_bytes = None

    def compiled(self, function):
        """A `tf.function` that computes a function on each replica."""
        return tf.function(
            lambda data: self.strategy.run(function, args=(data,)), autograph=False
        )

    def first(self):
        """Traces and computes the first update.

        Returns:
            Seconds.
        """
        begin = time.perf_counter()
        with precision(self.experiment.runtime.precision):
            graph = self.update.get_concrete_function(self.batch).graph
        self.seconds()
        duration = time.perf_counter() - begin
        self.graph_bytes = graph.as_graph_def().ByteSize()
        return duration

    def seconds(self):
        """Of one update, until its loss is read."""
        return self.timed(lambda: self.update(self.batch)["loss"])

    def forward(self):
        """A function that tells the seconds of logits without gradients."""
        clips = self.batch[0]["clip"]
        forward = self.compiled(lambda clip: self.model(clip, training=False))
        with precision(self.experiment.runtime.precision):
            forward.get_concrete_function(clips)
        self.timed(lambda: forward(clips))
        return lambda: self.timed(lambda: forward(clips))

    def timed(self, compute):
        """Seconds until the first replica's value has been read."""
        begin = time.perf_counter()
        self.strategy.experimental_local_results(compute())[0].numpy()
        return time.perf_counter() - begin
