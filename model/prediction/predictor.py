"""Class probabilities, and features, of videos that come one after the other."""

import collections
import dataclasses

import numpy as np
import tensorflow as tf

from model.classifier import pool


@dataclasses.dataclass
class _Waiting:
    """A video of which not all views are computed.

    Attributes:
        number: of the video, or error, among all that come.
        name: of the video.
        error: why it has no views; None where it has.
        left: how many of its views are not computed.
        total: sum of the rows of the others, float64 [n].
        views: how many it has.
    """

    number: int
    name: str
    error: Exception | None
    left: int
    total: np.ndarray | float = 0.0
    views: int = dataclasses.field(init=False)

    def __post_init__(self):
        self.views = self.left

    def add(self, row):
        """Adds the row of one view, float32 [n]."""
        self.total = self.total + row.astype(np.float64)
        self.left -= 1

    def result(self):
        """(name, mean row), or (name, error)."""
        return self.name, self.error or self.total / self.views


class Predictor:
    """Runs a model over the views of videos, in batches across videos.

    All batches have one size, so the model is traced once; the last is filled up. With
    the batch size of an evaluation, the numbers are those of the evaluation.

    Args:
        model: a `model.classifier.Classifier`.
        batch_size: views that are computed at once.
        features: whether the features that the head sees come behind the probabilities.
        keep_map: called with what the backbone gives for each view, in their order: the
            number of its video, or error, among all that come; the view's own number
            among those of it; float32 [T', H', W', C]. None where nobody wants it.
    """

    def __init__(self, model, batch_size, *, features=False, keep_map=None):
        self._batch_size = batch_size
        self._keep_map = keep_map

        def rows(clips):
            maps = model.features(clips)
            pooled = pool(maps)
            probabilities = tf.nn.softmax(model.head(pooled))
            rows = tf.concat([probabilities, pooled], 1) if features else probabilities
            return rows, maps if keep_map else ()

        self._rows = tf.function(rows, autograph=False)

    def __call__(self, videos):
        """Averages the probabilities, and the features, over the views of each video.

        Args:
            videos: iterable of (name, uint8 [views, T, 3, H, W]), or of (name, error).

        Yields:
            For each, in their order, as soon as all of its views are computed, (name,
            float64 [classes]), or [classes + C] with features, or (name, error).
        """
        waiting, clips = collections.deque(), []
        for number, (name, views) in enumerate(videos):
            if isinstance(views, Exception):
                waiting.append(_Waiting(number, name, views, 0))
                views = ()
            else:
                waiting.append(_Waiting(number, name, None, len(views)))
            video = waiting[-1]
            for view in views:
                clips.append((video, view))
                if len(clips) == self._batch_size:
                    self._compute(clips)
                    clips.clear()
            yield from _finished(waiting)
        if clips:
            self._compute(clips)
        yield from _finished(waiting)

    def _compute(self, clips):
        """Adds the rows of some views to their videos."""
        batch = np.zeros((self._batch_size, *clips[0][1].shape), np.uint8)
        batch[: len(clips)] = [view for _, view in clips]
        rows, maps = tf.nest.map_structure(lambda t: t.numpy(), self._rows(batch))
        for place, (video, _) in enumerate(clips):  # The rest is padding.
            if self._keep_map:
                view = video.views - video.left
                self._keep_map(video.number, view, maps[place])
            video.add(rows[place])


def _finished(waiting):
    """Takes away the first videos, as far as they are done; yields their results."""
    while waiting and not waiting[0].left:
        yield waiting.popleft().result()
