"""The clips of a data set: what is read for each position of a stream."""

import functools

import numpy as np
from absl import logging

from configs.command.errors import DataError
from data.decoding.reader import Reader
from data.identities import Identities
from data.pipeline import first_clips, train_batches, validation_batches, view_batches
from data.sampling.plan import require_rates, train_plan, validation_plan, view_plan
from data.sources import SOURCES, open_source
from data.sources.folder import split_of
from data.splits import bad_videos, content_fingerprint, divide, list_fingerprint

PADDING = -1  # the video of an element that only fills up its batch


def open_clips(
    data,
    views,
    *,
    seed,
    leave_out=(),
    after_video=lambda: None,
    keep_split=True,
    run_split=None,
):
    """Lists, scans and checks a data set.

    Args:
        data: a `configs.schema.Data`.
        views: a `configs.schema.Views`.
        seed: int in [0, 2^31), of the order of clips and of every augmentation.
        leave_out: names of training videos not to train on, though they can be read:
            what a run that is continued could not read when it began.
        after_video: called after each video that had to be scanned.
        keep_split: see `data.sources.open_source`.
        run_split: see there.

    Returns:
        Clips.

    Raises:
        DataError: the data set is incomplete, inconsistent or too damaged.
    """
    source = open_source(
        data, after_video=after_video, keep_split=keep_split, run_split=run_split
    )
    clips = Clips(source, data, views, seed=seed, leave_out=leave_out)
    for name, reason in clips.bad_train_videos.items():
        logging.warning("Left out of training: %s %s.", name, reason)
    for name in sorted(set(leave_out) - clips.bad_train_videos.keys()):
        logging.warning("Left out of training: %s was bad when the run began.", name)
    for name, reason in clips.bad_validation_videos.items():
        logging.warning("Counts as wrong in each validation: %s %s.", name, reason)
    for name, reason in clips.bad_test_videos.items():
        logging.warning("Counts as wrong in the evaluation: %s %s.", name, reason)
    return clips


class Clips:
    """Training, validation and test clips of one source.

    Attributes:
        class_names: in the order of the labels.
        train_videos: names of the training videos, in the order of "video" in `train`.
        train_labels: int32 [training videos].
        test_videos: names of every listed test video, readable or not.
        test_labels: int32 [test videos].
        test_paths: of the files of the test videos; empty where they are no files.
        validation_labels: int32 [validation videos].
        bad_train_videos: name -> reason, training videos that cannot be read.
        left_out: names of videos of the training list that are not used, because they
            are bad or were when the run began, sorted.
        bad_validation_videos: name -> reason, videos of a validation list that cannot
            be read: they come with weight 0 and count as wrong in a validation.
        bad_test_videos: name -> reason, the same of test videos in an evaluation.
        train_size, validation_size, test_size: how many videos there are of each.
        split_table: text of the file that may be `run_split` of `open_clips`; "" where
            lists divide the videos.
        identities: tells who the videos are, an `Identities`.
        train_fingerprint: hash of everything that defines the training stream besides
            the configuration.
        evaluation_fingerprint: hash of the validation and test lists.
    """

    def __init__(self, source, data, views, *, seed, leave_out=()):
        """Divides the videos of a `data.sources.base.Source`.

        All other arguments are those of `open_clips`.
        """
        self._source, self._data, self._views, self._seed = source, data, views, seed
        listing = source.listing
        self._train, self._validation, self._test = divide(source, data, leave_out)
        self.class_names = listing.class_names
        self.train_videos = tuple(listing.names[i] for i in self._train)
        self._train_names = frozenset(self.train_videos)
        self.train_labels = listing.labels[self._train]
        self.test_videos = tuple(listing.names[i] for i in self._test)
        require_rates([source.videos[i] for i in self._test], self.test_videos, views)
        self.test_labels = listing.labels[self._test]
        self.test_paths = tuple(listing.paths[i] for i in self._test if listing.paths)
        self.validation_labels = listing.labels[self._validation]
        listed, held_out, _ = listing.parts
        self.bad_train_videos = bad_videos(source, listed)
        own = held_out if data.validation == "split" else ()
        self.bad_validation_videos = bad_videos(source, own)
        self.left_out = tuple(sorted({*self.bad_train_videos, *leave_out}))
        self.bad_test_videos = bad_videos(source, self._test)
        self.train_size, self.test_size = len(self._train), len(self._test)
        self.validation_size = len(self._validation)
        self.identities = Identities(source, self._train, self._test)
        self.train_fingerprint = content_fingerprint(source, self._train)
        self.evaluation_fingerprint = list_fingerprint(
            source, [*self._validation, *self._test]
        )
        self.split_table = split_of(listing) if SOURCES[data.source].draws_split else ""
        self._reader = Reader(source, threads=data.threads)
        self._stream = {"labels": self.train_labels, "seed": seed, "data": data}

    @property
    def identity(self):
        """What must stay the same while a run is continued, besides its config."""
        return {
            "class_names": self.class_names,
            "train_size": self.train_size,
            "left_out": self.left_out,
            "train_fingerprint": self.train_fingerprint,
            "evaluation_fingerprint": self.evaluation_fingerprint,
        }

    @property
    def class_counts(self):
        """Int [classes], how many training videos there are of each class."""
        return np.bincount(self.train_labels, minlength=len(self.class_names))

    @property
    def lost(self):
        """Name -> number of clips that a video failed to give since it was scanned."""
        return dict(self._reader.lost)

    @property
    def lost_train_videos(self):
        """Names of the training videos that have gone bad since the scan, sorted."""
        return sorted(self.lost.keys() & self._train_names)

    def check_lost(self, count=None):
        """Checks how many training videos have gone bad since the scan.

        Args:
            count: how many times a worker has lost a video, all workers together; None
                where this is the only one.

        Raises:
            DataError: more of them than data.max_bad_fraction allows.
        """
        lost = self.lost_train_videos
        count = len(lost) if count is None else int(count)
        allowed = self._data.bad_allowed(self.train_size)
        if count > allowed:
            names = ", ".join(lost[:3]) or "see the other workers' logs"
            raise DataError(
                f"{count} training videos can no longer be read, and "
                f"data.max_bad_fraction={self._data.max_bad_fraction} allows "
                f"{allowed}: {names}. See python -m data.scan."
            )

    def train_file(self, index):
        """Path and `Video` of one training video."""
        video = self._train[index]
        return self._source.listing.paths[video], self._source.videos[video]

    def train(self, strategy, step):
        """The endless training stream from `step` on, a pure function of (seed, step).

        Args:
            strategy: a `tf.distribute.Strategy`.
            step: the first step.

        Returns:
            Distributed dataset; each replica gets ({"clip": uint8 [b, T, 3, size,
            size], "seed": int32 [b, 2], "video": int32 [b]}, label int32 [b],
            weight float32 [b]). `seed` is a pure function of (seed, position);
            `video` indexes the training list; weight is 0 only where a clip could not
            be decoded; its pixels are then all 0.

        Raises:
            ConfigError: the replicas do not divide data.batch_size.
        """
        return train_batches(strategy, self._read_train, step=step, **self._stream)

    def first(self, count):
        """The first of `train` as (uint8 [T, 3, size, size], class, video, weight)."""
        read = self._read_train(*first_clips(count, **self._stream))
        return [
            (clip, self.class_names[label], self.train_videos[video], weight)
            for clip, _, video, label, weight in zip(*read, strict=True)
        ]

    def validation(self, strategy):
        """One centred clip of each validation video.

        Returns:
            Distributed dataset like `train`'s, without "seed". The last batches are
            filled up with elements of weight 0 and video -1.
        """
        size, read = self.validation_size, self._read_validation
        return validation_batches(strategy, read, videos=size, data=self._data)

    def views(self, strategy):
        """Every view of every test video, each exactly once.

        A view's number is clip * views.crops + crop.

        Returns:
            Distributed dataset; each replica gets ({"clip", "video", "view"}, label,
            weight), views.batch_size_per_replica of them, filled up with elements of
            weight 0 and video -1.
        """
        return view_batches(
            strategy,
            self._read_views,
            clips=self.test_size * self._views.clips,
            data=self._data,
            views=self._views,
        )

    def views_of(self, video):
        """Every view of one test video: uint8 [clips * crops, T, 3, size, size]."""
        first = video * self._views.clips
        return self._read_views(np.arange(first, first + self._views.clips))[0]

    def centre_view(self, video):
        """One test view: uint8 [T, 3, size, size], or None where it cannot be read."""
        middle = video * self._views.clips + self._views.clips // 2
        views, *_, weights = self._read_views(np.array([middle]))
        return views[self._views.crops // 2] if weights[0] else None

    def _read_train(self, positions, indices):
        videos = self._train[indices]
        plans = self._plans(train_plan, videos, positions)
        clips, weights = self._reader.read(videos, plans, shape=self._shape(1))
        seeds = np.stack([plan.seed for plan in plans])
        labels = self._source.listing.labels[videos]
        return clips[:, 0], seeds, indices.astype(np.int32), labels, weights

    def _read_validation(self, positions):
        indices = np.where(positions < self.validation_size, positions, PADDING)
        clips, labels, weights = self._read_listed(
            self._validation, indices, positions, 1, validation_plan
        )
        return clips[:, 0], indices.astype(np.int32), labels, weights

    def _read_views(self, positions):
        crops = self._views.crops
        indices = positions // self._views.clips
        indices[indices >= self.test_size] = PADDING
        plan = functools.partial(view_plan, views=self._views)
        clips, labels, weights = self._read_listed(
            self._test, indices, positions, crops, plan
        )
        views = (positions % self._views.clips * crops)[:, None] + np.arange(crops)
        return (
            clips.reshape(-1, *clips.shape[2:]),
            np.repeat(indices, crops).astype(np.int32),
            views.astype(np.int32).reshape(-1),
            np.repeat(labels, crops),
            np.repeat(weights, crops),
        )

    def _read_listed(self, listed, indices, positions, crops, plan):
        """Clips, labels and weights; zeros for padding and for bad videos."""
        videos = np.where(indices == PADDING, PADDING, listed[indices])
        plans = self._plans(plan, videos, positions)
        clips, weights = self._reader.read(videos, plans, shape=self._shape(crops))
        labels = np.where(videos == PADDING, 0, self._source.listing.labels[videos])
        return clips, labels.astype(np.int32), weights

    def _plans(self, plan, videos, positions):
        """A plan for each position; None for padding and for bad videos."""
        return [
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

    def _shape(self, regions):
        size = self._data.size
        return regions, self._data.frames, 3, size, size
