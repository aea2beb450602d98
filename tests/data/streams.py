"""Clips of the small set, and what their streams give, as arrays."""

import dataclasses

import numpy as np
import tensorflow as tf

from configs.schema import Data, Views
from data import open_clips

SETTINGS = Data(batch_size=4, frames=4, frame_interval=2, size=16, threads=2)
VIEWS = Views(clips=2, crops=3, batch_size_per_replica=4)


def open_set(root, views=VIEWS, seed=5, run_split=None, **changes):
    data = dataclasses.replace(SETTINGS, root=str(root), **changes)
    return open_clips(data, views, seed=seed, run_split=run_split)


class Workers:
    """Stands in for a strategy with several workers: each worker's dataset in turn."""

    def __init__(self, workers, replicas):
        self.workers, self.num_replicas_in_sync = workers, workers * replicas

    def distribute_datasets_from_function(self, create):
        return [
            create(
                tf.distribute.InputContext(
                    self.workers, worker, self.num_replicas_in_sync
                )
            )
            for worker in range(self.workers)
        ]


def mirrored(replicas):
    if replicas == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(replicas)])


def replica_batches(strategy, dataset, limit=None):
    """Lists of (features, label, weight) as arrays, one entry a replica and step."""
    batches = []
    for number, element in enumerate(dataset):
        if number == limit:
            break
        for replica in range(strategy.num_replicas_in_sync):
            batches.append(
                tf.nest.map_structure(
                    lambda value, r=replica: strategy.experimental_local_results(value)[
                        r
                    ].numpy(),
                    element,
                )
            )
    return batches


def joined(batches):
    """The batches of several replicas and steps as one."""
    return tf.nest.map_structure(lambda *parts: np.concatenate(parts), *batches)


def train(clips, steps, *, step=0, replicas=1):
    strategy = mirrored(replicas)
    return joined(replica_batches(strategy, clips.train(strategy, step), steps))


def assert_same(one, two):
    tf.nest.map_structure(np.testing.assert_array_equal, one, two)
