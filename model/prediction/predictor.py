"""Class probabilities of videos that come one after the other."""

import collections
import dataclasses

import numpy as np
import tensorflow as tf


@dataclasses.dataclass
class _Waiting:
    """A video of which not all views are computed.

    Attributes:
        name: of the video.
        error: why it has no views; None where it has.
        left: how many of its views are not computed.
        total: sum of the probabilities of the others, float64 [classes].
        views: how many it has.
    """

    name: str
    error: Exception | None
    left: int
    total: np.ndarray | float = 0.0
    views: int = dataclasses.field(init=False)

    def __post_init__(self):
        self.views = self.left

    def add(self, probabilities):
        """Adds those of one view, float32 [classes]."""
        self.total = self.total + probabilities.astype(np.float64)
        self.left -= 1

    def result(self):
        """(name, mean probabilities), or (name, error)."""
        return self.name, self.error or self.total / self.views


class Predictor:
    """Runs a model over the views of videos, in batches across videos.

    All batches have one size, so the model is traced once; the last is filled up. With
    the batch size of an evaluation, the numbers are those of the evaluation.

    Args:
        model: uint8 [b, T, 3, H, W] -> float32 logits [b, classes].
        batch_size: views that are computed at once.
    """

    def __init__(self, model, batch_size):
        self._batch_size = batch_size
        self._probabilities = tf.function(
            lambda clips: tf.nn.softmax(model(clips, training=False)), autograph=False
        )

    def __call__(self, videos):
        """Averages the probabilities over the views of each video.

        Args:
            videos: iterable of (name, uint8 [views, T, 3, H, W]), or of (name, error).

        Yields:
            For each, in their order, (name, float64 [classes]), or (name, error), as
            soon as all of its views are computed.
        """
        waiting, clips = collections.deque(), []
        for name, views in videos:
            if isinstance(views, Exception):
                waiting.append(_Waiting(name, views, 0))
                views = ()
            else:
                waiting.append(_Waiting(name, None, len(views)))
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
        """Adds the probabilities of some views to their videos."""
        batch = np.zeros((self._batch_size, *clips[0][1].shape), np.uint8)
        batch[: len(clips)] = [view for _, view in clips]
        rows = self._probabilities(batch).numpy()
        for (video, _), row in zip(clips, rows, strict=False):  # The rest is padding.
            video.add(row)


def _finished(waiting):
    """Takes away the first videos, as far as they are done; yields their results."""
    while waiting and not waiting[0].left:
        yield waiting.popleft().result()
