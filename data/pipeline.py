"""Clips of a source as distributed `tf.data` pipelines.

The training stream is a pure function of (seed, step): position g is the g-th clip of
an endless sequence in which each run of `train_size` positions is a permutation of the
training videos. No iterator has state worth saving, and the global batch of a step is
the same whatever the number of replicas.
"""

import functools
import math

import numpy as np
import tensorflow as tf

from configs.errors import ConfigError, DataError
from configs.schema import divisors
from data.plan import train_plan, validation_plan, view_plan
from data.reading import Reader
from data.splits import bad_videos, divide, fingerprint, list_fingerprint

PADDING = -1  # the video of an element that only fills up its batch


class Clips:
    """Training, validation and test clips of one source.

    Attributes:
        class_names: in the order of the labels.
        train_videos: names of the training videos, in the order of "video" in `train`.
        test_videos: names of every listed test video, readable or not.
        test_labels: int32 [test videos].
        validation_labels: int32 [validation videos].
        bad_train_videos: name -> reason, training videos that cannot be read.
        left_out: names of the training videos that are not trained on, sorted.
        bad_test_videos: name -> reason, test videos that cannot be read: they come
            with weight 0 and count as wrong in an evaluation.
        train_size, validation_size, test_size: numbers of videos.
        train_fingerprint: hash of everything that defines the training stream besides
            the configuration.
        evaluation_fingerprint: hash of the validation and test lists.
    """

    def __init__(self, source, data, views, *, seed, leave_out=()):
        """Args: as `open_clips`, with the `Source` that it opened."""
        self._source, self._data, self._views, self._seed = source, data, views, seed
        listing = source.listing
        self._train, self._validation, self._test = divide(source, data, leave_out)
        self.class_names = listing.class_names
        self.train_videos = tuple(listing.names[i] for i in self._train)
        self._train_names = frozenset(self.train_videos)
        self.test_videos = tuple(listing.names[i] for i in self._test)
        self.test_labels = listing.labels[self._test]
        self.validation_labels = listing.labels[self._validation]
        self.bad_train_videos = bad_videos(source, range(listing.train_size))
        self.left_out = tuple(sorted({*self.bad_train_videos, *leave_out}))
        self.bad_test_videos = bad_videos(source, self._test)
        self.train_size = len(self._train)
        self.validation_size = len(self._validation)
        self.test_size = len(self._test)
        self.train_fingerprint = fingerprint(source, self._train)
        self.evaluation_fingerprint = list_fingerprint(
            source, [*self._validation, *self._test]
        )
        self._reader = Reader(source, threads=data.threads)

    @property
    def lost(self):
        """name -> number of clips that a video, good when scanned, failed to give."""
        return dict(self._reader.lost)

    def check_lost(self):
        """Raises DataError once too many training videos have gone bad since the scan.

        As for the scan, data.bad_share says how many are too many.
        """
        lost = sorted(self.lost.keys() & self._train_names)
        allowed = int(self._data.bad_share * self.train_size)
        if len(lost) > allowed:
            raise DataError(
                f"{len(lost)} training videos can no longer be read, and "
                f"data.bad_share={self._data.bad_share} allows {allowed}: "
                f"{', '.join(lost[:3])}. See python -m data.scan."
            )

    def train_file(self, place):
        """Path and `Video` of one training video."""
        index = self._train[place]
        return self._source.listing.paths[index], self._source.videos[index]

    def train(self, strategy, step):
        """The endless training stream from `step` on.

        Returns:
            Distributed dataset; each replica gets ({"clip": uint8 [b, T, 3, size,
            size], "seed": int32 [b, 2], "video": int32 [b]}, label int32 [b],
            weight float32 [b]). `seed` is a pure function of (seed, position);
            `video` indexes the training list; weight is 0 only where a clip could not
            be decoded, which is zero then.

        Raises:
            ConfigError: the replicas do not divide data.batch_size.
        """

        def create(context):
            positions = self._positions(context, step, None)
            return self._decode(
                positions.map(self._shuffle).batch(self._replica_batch(context)),
                self._read_train,
                keys=("clip", "seed", "video"),
                context=context,
            )

        return self._distribute(strategy, create)

    def validation(self, strategy):
        """One centred clip of each validation video.

        Returns:
            Distributed dataset like `train`'s, without "seed". The last batches are
            filled up with elements of weight 0 and video -1.
        """
        steps = math.ceil(self.validation_size / self._data.batch_size)

        def create(context):
            positions = self._positions(context, 0, steps)
            return self._decode(
                positions.batch(self._replica_batch(context)),
                self._read_validation,
                keys=("clip", "video"),
                context=context,
            )

        return self._distribute(strategy, create)

    def views(self, strategy):
        """Every view of every test video, each exactly once.

        A view's number is clip * views.crops + crop. A clip is decoded once for all
        its crops.

        Returns:
            Distributed dataset; each replica gets ({"clip", "video", "view"}, label,
            weight), views.batch_size_per_replica of them, filled up with elements of
            weight 0 and video -1.
        """
        batch, crops = self._views.batch_size_per_replica, self._views.crops
        clips = self.test_size * self._views.clips

        def create(context):
            workers = context.num_input_pipelines
            replicas = context.num_replicas_in_sync // workers
            own = math.ceil(clips / workers) * crops
            batches = math.ceil(own / (batch * replicas)) * replicas
            numbers = tf.data.Dataset.range(math.ceil(batches * batch / crops))
            positions = numbers.map(lambda k: k * workers + context.input_pipeline_id)
            decoded = self._decode(
                positions.batch(math.ceil(batch / crops)),
                self._read_views,
                keys=("clip", "video", "view"),
                context=context,
            )
            return decoded.unbatch().batch(batch).take(batches).prefetch(1)

        return strategy.distribute_datasets_from_function(create)

    def views_of(self, video):
        """Every view of one test video: uint8 [clips * crops, T, 3, size, size]."""
        first = video * self._views.clips
        return self._read_views(np.arange(first, first + self._views.clips))[0]

    def _distribute(self, strategy, create):
        batch, replicas = self._data.batch_size, strategy.num_replicas_in_sync
        if batch % replicas:
            raise ConfigError(
                f"data.batch_size must be divisible by the {replicas} replicas; "
                f"received {batch}, which divides over {divisors(batch)} replicas."
            )
        return strategy.distribute_datasets_from_function(create)

    def _replica_batch(self, context):
        return self._data.batch_size // context.num_replicas_in_sync

    def _positions(self, context, step, steps):
        """Positions of this worker's slice of each global batch, from `step` on."""
        batch = self._data.batch_size
        share = batch // context.num_input_pipelines
        offset = context.input_pipeline_id * share
        end = np.iinfo(np.int64).max if steps is None else (step + steps) * share
        numbers = tf.data.Dataset.range(step * share, end)
        return numbers.map(lambda k: k // share * batch + offset + k % share)

    def _shuffle(self, position):
        """Position in the stream -> (position, place in the training list)."""
        epoch = tf.cast(position // self.train_size, tf.int32)
        place = tf.random.experimental.index_shuffle(
            position % self.train_size, [self._seed, epoch], self.train_size - 1
        )
        return position, place

    def _decode(self, batches, read, *, keys, context):
        """Runs `read` on each batch of positions, a few batches ahead."""
        ahead = context.num_replicas_in_sync // context.num_input_pipelines + 1
        types = [tf.uint8 if key == "clip" else tf.int32 for key in keys]
        types += [tf.int32, tf.float32]
        shapes = {"clip": [None, *self._shape(1)[1:]], "seed": [None, 2]}

        def decode(*positions):
            values = tf.numpy_function(read, positions, types, stateful=False)
            for key, value in zip((*keys, "label", "weight"), values, strict=True):
                value.set_shape(shapes.get(key, [None]))
            *features, label, weight = values
            return dict(zip(keys, features, strict=True)), label, weight

        options = tf.data.Options()
        # Waiting for a decoder must not occupy the threads that compute the model.
        options.threading.private_threadpool_size = ahead + 1
        decoded = batches.map(decode, num_parallel_calls=ahead, deterministic=True)
        return decoded.prefetch(ahead).with_options(options)

    def _read_train(self, positions, places):
        videos = self._train[places]
        plans = [
            train_plan(
                self._source.videos[video],
                self._data,
                seed=self._seed,
                position=int(position),
            )
            for video, position in zip(videos, positions, strict=True)
        ]
        clips, weights = self._reader.read(videos, plans, shape=self._shape(1))
        seeds = np.stack([plan.seed for plan in plans])
        labels = self._source.listing.labels[videos]
        return clips[:, 0], seeds, places.astype(np.int32), labels, weights

    def _read_validation(self, positions):
        places = np.where(positions < self.validation_size, positions, PADDING)
        clips, labels, weights = self._read_listed(
            self._validation, places, positions, 1, validation_plan
        )
        return clips[:, 0], places.astype(np.int32), labels, weights

    def _read_views(self, positions):
        crops = self._views.crops
        places = positions // self._views.clips
        places[places >= self.test_size] = PADDING
        clips, labels, weights = self._read_listed(
            self._test,
            places,
            positions,
            crops,
            functools.partial(view_plan, views=self._views),
        )
        views = (positions % self._views.clips * crops)[:, None] + np.arange(crops)
        return (
            clips.reshape(-1, *clips.shape[2:]),
            np.repeat(places, crops).astype(np.int32),
            views.astype(np.int32).reshape(-1),
            np.repeat(labels, crops),
            np.repeat(weights, crops),
        )

    def _read_listed(self, listed, places, positions, crops, plan):
        """Clips, labels and weights; zeros for padding and for bad videos."""
        videos = np.where(places == PADDING, PADDING, listed[places])
        plans = [
            None
            if video == PADDING or self._source.videos[video].reason
            else plan(
                self._source.videos[video],
                self._data,
                seed=self._seed,
                position=int(position),
            )
            for video, position in zip(videos, positions, strict=True)
        ]
        clips, weights = self._reader.read(videos, plans, shape=self._shape(crops))
        labels = np.where(videos == PADDING, 0, self._source.listing.labels[videos])
        return clips, labels.astype(np.int32), weights

    def _shape(self, regions):
        size = self._data.size
        return regions, self._data.frames, 3, size, size
