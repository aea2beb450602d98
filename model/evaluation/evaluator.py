"""Class probabilities of videos, averaged over all views of each video."""

import contextlib
import dataclasses
import time

import numpy as np
import tensorflow as tf

from configs.schema import Views
from model.evaluation.metrics import scores
from model.replicas import concatenate

ONE_VIEW = Views(clips=1, crops=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Probabilities:
    """What `Evaluator` returns.

    Those of a video of which any view could not be read are all 0.

    Attributes:
        mean: float64 [videos, classes], the mean over all views.
        single_clip: float64 [videos, classes], the mean over the crops of the middle
            clip, which is number clips // 2, counted from 0.
        single_view: float64 [videos, classes], of the middle clip's centre crop, which
            is number crops // 2.
        readable: bool [videos].
        seconds: that it took to read and compute them all, the tracing included.
    """

    mean: np.ndarray
    single_clip: np.ndarray
    single_view: np.ndarray
    readable: np.ndarray
    seconds: float


class Sums:
    """What is kept of the views while they come: as much as videos times classes.

    Args:
        videos: how many videos there are.
        views: the `Views` of each of them.
    """

    def __init__(self, videos, views):
        self.views = views
        self.seen = np.zeros([videos, views.count], np.int64)
        self.readable = np.ones([videos], bool)
        self.total = None  # float64 [videos, classes]
        self.middle = None  # float32 [crops, videos, classes], of the middle clip

    def add(self, video, view, weight, probabilities):
        """Takes a batch of views in any order.

        Args:
            video: int [b], -1 for padding.
            view: int [b], clip * crops + crop.
            weight: float [b], 0 for a view that could not be read.
            probabilities: float32 [b, classes].
        """
        crops, (videos, _) = self.views.crops, self.seen.shape
        if self.total is None:
            classes = probabilities.shape[1]
            self.total = np.zeros([videos, classes])
            self.middle = np.zeros([crops, videos, classes], np.float32)
        real = video >= 0
        np.add.at(self.seen, (video[real], view[real]), 1)
        self.readable[video[real & (weight == 0)]] = False
        np.add.at(self.total, video[real], probabilities[real])
        # Kept apart: whatever the order in which they come, their mean is the same.
        kept = real & (view // crops == self.views.clips // 2)
        self.middle[view[kept] % crops, video[kept]] = probabilities[kept]

    def means(self, seconds):
        """The `Probabilities`, which took so many seconds.

        Raises:
            RuntimeError: a view came twice or not at all.
        """
        if not (self.seen == 1).all():
            raise RuntimeError(
                "Every view must be evaluated once; "
                f"{np.count_nonzero(self.seen != 1)} of {self.seen.size} were not."
            )
        readable = self.readable[:, None]
        middle = self.middle.astype(np.float64)
        return Probabilities(
            mean=self.total / self.views.count * readable,
            single_clip=middle.mean(axis=0) * readable,
            single_view=middle[self.views.crops // 2] * readable,
            readable=self.readable,
            seconds=seconds,
        )


class Evaluator:
    """Runs a model over the views of videos; it is traced once for all calls.

    Args:
        model: uint8 [b, T, 3, H, W] -> float32 logits [b, classes].
        strategy: the strategy that the model was created under.
        after_batch: called after each batch.
        show: shows how far it is: a function of what is measured and of how many views
            there are that returns a context, whose value is called with the number of
            views after each batch of them. None shows nothing.
        clock: seconds since some moment, a function.
    """

    def __init__(
        self,
        model,
        strategy,
        after_batch=lambda: None,
        show=None,
        *,
        clock=time.monotonic,
    ):
        self.model = model
        self.strategy = strategy
        self.after_batch = after_batch
        self.show = show or _show_nothing
        self.clock = clock
        self._step = tf.function(self._probabilities, autograph=False)

    def __call__(self, dataset, *, videos, views=ONE_VIEW, what="evaluation"):
        """Averages the probabilities over the views of each video.

        Args:
            dataset: distributed; elements ({"clip", "video", "view"}, label, weight).
                "view" may be missing where there is one. Weight 0 marks padding (video
                -1) or a view that could not be read.
            videos: how many videos there are.
            views: the `configs.schema.Views` of each of them.
            what: this is, as `show` is told.

        Returns:
            `Probabilities`.

        Raises:
            RuntimeError: a view came twice or not at all.
        """
        sums, begin = Sums(videos, views), self.clock()
        with self.show(what, videos * views.count) as advance:
            for batch in dataset:
                video, *rest = (t.numpy() for t in self._step(batch))
                sums.add(video, *rest)
                advance(np.count_nonzero(video >= 0))
                self.after_batch()
        return sums.means(self.clock() - begin)

    def try_batch(self, dataset):
        """Runs the first batch of a dataset alone, for nothing but to have run it.

        Args:
            dataset: as for a call, of one element or more.
        """
        self._step(next(iter(dataset)))
        self.after_batch()

    def _probabilities(self, batch):
        """One batch of views, from all replicas: (video, view, weight, softmax)."""
        results = self.strategy.run(self._replica_probabilities, args=(batch,))
        return [concatenate(self.strategy, result) for result in results]

    def _replica_probabilities(self, batch):
        inputs, _, weight = batch
        video = inputs["video"]
        view = inputs.get("view", tf.zeros_like(video))
        logits = self.model(inputs["clip"], training=False)
        return video, view, weight, tf.nn.softmax(logits)


def _show_nothing(what, views):
    """Stands for `show` of an `Evaluator` where there is nobody to look."""
    return contextlib.nullcontext(lambda views: None)


def validation_row(data, clips, evaluator):
    """Entries of an epoch's row: which validation it was, its loss and accuracies.

    There is no loss where it is not finite, and no top-5 where classes are fewer.

    Args:
        data: the `configs.schema.Data` of the run.
        clips: its `validation(strategy)`, `validation_size` and `validation_labels`.
        evaluator: the `Evaluator`.
    """
    row = {"validation": data.validation}
    if data.validation == "none":
        return row
    probabilities = evaluator(
        clips.validation(evaluator.strategy),
        videos=clips.validation_size,
        what="validation",
    )
    result = scores(probabilities.mean, probabilities.readable, clips.validation_labels)
    if result["loss"] is not None:
        row["validation_loss"] = result["loss"]
    return row | {name: result[name] for name in ("top1", "top5") if name in result}
