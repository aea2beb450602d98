"""A distributed dataset for whose end nobody waits."""

import threading
import weakref

import tensorflow as tf

NAME = "end of stream"  # of each of these threads


def distributed(strategy, create):
    """`strategy.distribute_datasets_from_function(create)`, ended by another thread.

    Where a stream goes to several devices, TensorFlow (2.21) adds a part to it for each
    of them and a thread that tunes this part, which no option of the dataset turns off.
    The tuner sleeps, twice as long each time up to a minute, and where it misses that
    the stream is given up, whoever drops the last reference waits until it wakes: short
    epochs took nearly twice their time on two replicas. So what is read ahead may be
    read for a while after the caller has dropped the stream; see `wait_for_ends`.

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


def wait_for_ends():
    """Returns once all streams that were dropped have ended, and read nothing more."""
    for thread in threading.enumerate():
        if thread.name == NAME:
            thread.join()


class Stream(tf.distribute.DistributedDataset):
    """A dataset whose iterators are `Iterator`s.

    Args:
        dataset: a `tf.distribute.DistributedDataset`.
    """

    def __init__(self, dataset):
        self._dataset = dataset

    def __iter__(self):
        return Iterator(iter(self._dataset))

    @property
    def element_spec(self):
        """The `tf.TypeSpec` of the elements, of all replicas."""
        return self._dataset.element_spec

    def reduce(self, initial_state, reduce_func):
        """See `tf.distribute.DistributedDataset.reduce`."""
        return self._dataset.reduce(initial_state, reduce_func)


class Iterator:
    """Has the only reference to an iterator; when it goes, a thread drops that.

    Args:
        iterator: of a `tf.distribute.DistributedDataset`.
    """

    def __init__(self, iterator):
        self._only = [iterator]
        # A process that ends drops nothing: it would only wait.
        weakref.finalize(self, _clear_aside, self._only).atexit = False

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._only[0])


def _clear_aside(references):
    # A daemon that returns from TensorFlow while Python ends would abort the process.
    thread = threading.Thread(target=references.clear, name=NAME, daemon=False)
    thread.start()
