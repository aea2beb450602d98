import threading

import pytest
import tensorflow as tf

from data.stream import NAME, Stream, distributed
from tests.data.streams import mirrored


class Iterator:
    """Says which thread dropped the last reference to it."""

    def __init__(self, dataset):
        self.dataset, self.left = dataset, 3

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        return self.left

    def __del__(self):
        self.dataset.ended.append(threading.current_thread().name)
        self.dataset.one_ended.set()


class Dataset(tf.distribute.DistributedDataset):
    def __init__(self):
        self.ended, self.one_ended = [], threading.Event()

    def __iter__(self):
        return Iterator(self)


@pytest.mark.parametrize("elements", [1, 3])
def test_another_thread_drops_an_iterator_whoever_holds_what(elements):
    dataset = Dataset()
    iterator = iter(Stream(dataset))
    for count, _ in enumerate(iterator, start=1):
        if count == elements:
            break
    assert not dataset.ended
    del iterator
    assert dataset.one_ended.wait(60)
    assert dataset.ended == [NAME]


def test_a_stream_can_be_gone_through_again():
    stream = Stream(Dataset())
    assert list(stream) == list(stream) == [2, 1, 0]


@pytest.mark.parametrize("replicas", [1, 2])
def test_elements_are_those_of_the_strategy(replicas):
    strategy = mirrored(replicas)
    numbers = tf.data.Dataset.range(6).batch(3)
    stream = distributed(strategy, lambda context: numbers)
    assert isinstance(stream, Stream) == (replicas > 1)
    local = strategy.experimental_local_results
    values = [part.numpy().tolist() for each in stream for part in local(each)]
    assert values[:2] == [[0, 1, 2], [3, 4, 5]]

    plain = strategy.distribute_datasets_from_function(lambda context: numbers)
    assert stream.element_spec == plain.element_spec
    if replicas > 1:
        add = tf.function(lambda sum, each: sum + tf.reduce_sum(local(each)[0]))
        zero = tf.constant(0, tf.int64)
        assert stream.reduce(zero, add) == plain.reduce(zero, add)
