"""Which training video comes at which position of the training stream.

An order is a pure function of the position: nothing that went before has to be known,
so a stream can begin anywhere, and any number of workers can read parts of it.
"""

import numpy as np
import tensorflow as tf

shuffle = tf.random.experimental.index_shuffle


def training_order(sampling, labels, seed):
    """The order that `data.sampling` names.

    Args:
        sampling: "uniform" or "balanced".
        labels: int [videos], the class of each training video.
        seed: int in [0, 2^31), of the permutations.

    Returns:
        A function of an int64 position that returns the int64 index of a training
        video.
    """
    if sampling == "balanced":
        return _balanced(np.asarray(labels), seed)
    return lambda position: _uniform(position, len(labels), seed)


def _uniform(position, videos, seed):
    """Each run of `videos` positions, an epoch, is a permutation of the videos."""
    epoch = tf.cast(position // videos, tf.int32)
    return shuffle(position % videos, [seed, epoch], videos - 1)


def _balanced(labels, seed):
    """Classes take turns: each round of positions has every class that has videos once.

    So the r-th video of a class comes in round r, and rounds of as many as the class
    has videos are permutations of them: none comes again before all have come.

    The order of the classes is drawn for each round, but is the same in all rounds in
    which one epoch ends and another begins. What an epoch lacks of its first round and
    has of its last are then the beginnings of one list, of which one contains the
    other. So the clips that two classes have in an epoch differ by one at most, as
    they must where the number of classes does not divide that of the clips.
    """
    names, sizes = np.unique(labels, return_counts=True)
    classes, videos = len(names), len(labels)
    by_class = np.argsort(labels, kind="stable").astype(np.int64)
    first = (np.cumsum(sizes) - sizes).astype(np.int64)
    sizes = sizes.astype(np.int64)

    def index(position):
        turn, place = position // classes, position % classes
        begin = turn * classes
        splits = begin // videos != (begin + classes - 1) // videos
        # Three kinds of permutations, no two of which share a key: 0, 1, …; -1; -2, …
        order = tf.where(splits, tf.constant(-1, tf.int64), turn)
        kind = shuffle(place, [seed, order], classes - 1)
        size = tf.gather(sizes, kind)
        key = -2 - (turn // size * classes + kind)
        member = shuffle(turn % size, [seed, key], size - 1)
        return tf.gather(by_class, tf.gather(first, kind) + member)

    return index
