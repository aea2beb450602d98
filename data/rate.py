"""How fast the clips of a data set are decoded."""

import dataclasses
import tempfile
import time

from data.clips import open_clips
from data.stream import wait_for_ends
from data.synthetic import write_dataset

WARM_UP, TIMED = 4, 12  # batches whose decoding is not timed, and is


def decoding_rate(data, views, *, seed, strategy, after_batch=lambda: None):
    """Training clips that are decoded in a second, as fast as they come.

    Args:
        data: a `configs.schema.Data`; without a root, synthetic videos are written to a
            temporary folder and read.
        views: a `configs.schema.Views`.
        seed: int in [0, 2^31).
        strategy: a `tf.distribute.Strategy` of this worker alone.
        after_batch: called after each batch, and each video that had to be scanned.

    Raises:
        DataError: the data set is incomplete, inconsistent or too damaged.
    """
    with tempfile.TemporaryDirectory() as folder:
        if not data.root:
            write_dataset(folder)
            data = dataclasses.replace(
                data, source="ucf101", root=folder, split=1, validation="none"
            )
        clips = open_clips(data, views, seed=seed, after_video=after_batch)
        seconds = _seconds(clips.train(strategy, 0), after_batch)
        wait_for_ends()  # Only then may files go.
    return TIMED * data.batch_size / seconds


def _seconds(batches, after_batch):
    """Seconds that the timed batches take."""
    stream = iter(batches)
    for batch in range(WARM_UP + TIMED):
        if batch == WARM_UP:
            begin = time.perf_counter()
        next(stream)
        after_batch()
    return time.perf_counter() - begin
