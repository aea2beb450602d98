"""A distributed dataset for whose end nobody waits."""

import threading
import weakref

import tensorflow as tf


def distributed(strategy, create):
    """`strategy.distribute_datasets_from_function(create)`, ended by another thread.

    Where a stream goes to several devices, TensorFlow (2.21) adds a part to it for each
    of them and a thread that tunes this part, which no option of the dataset turns off.
    The tuner sleeps, twice as long each time up to a minute, and where it misses that
    the stream is given up, whoever drops the last reference waits until it wakes: short
    epochs took nearly twice their time on two replicas.

    Args:
        strategy: a `tf.distribute.Strategy`.
        create: function of a `tf.distribute.InputContext` that returns a dataset.

    Returns:
        A `tf.distribute.DistributedDataset`, or a `tf.data.Dataset` from a strategy
        that distributes nothing.
    """
    dataset = strategy.distribute_datasets_from_function(create)
    if not isinstance(dataset, tf.distribute.DistributedDataset):
        return dataset
    return Stream(dataset)


class Stream(tf.distribute.DistributedDataset):
    """Holds the iterators of a dataset until it goes itself; a thread drops them then.

    Whoever goes through it keeps the stream, as `fit` does, and not an iterator alone.

    Args:
        dataset: a `tf.distribute.DistributedDataset`.
    """

    def __init__(self, dataset):
        self._dataset = dataset
        self._iterators = []
        # A process that ends closes nothing: it would only wait.
        weakref.finalize(self, _clear_aside, self._iterators).atexit = False

    def __iter__(self):
        iterator = iter(self._dataset)
        self._iterators.append(iterator)
        return iterator

    @property
    def element_spec(self):
        """The `tf.TypeSpec` of the elements, of all replicas."""
        return self._dataset.element_spec

    def reduce(self, initial_state, reduce_func):
        """See `tf.distribute.DistributedDataset.reduce`."""
        return self._dataset.reduce(initial_state, reduce_func)


def _clear_aside(references):
    threading.Thread(target=references.clear, name="end of stream", daemon=True).start()
