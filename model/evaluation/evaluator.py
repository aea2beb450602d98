"""Class probabilities of videos, averaged over all views of each video."""

import dataclasses

import numpy as np
import tensorflow as tf

from model.evaluation.metrics import scores
from model.replicas import concatenate


@dataclasses.dataclass
class Probabilities:
    """What `Evaluator` returns.

    Attributes:
        mean: float64 [videos, classes], the mean over the views; 0 for a video of which
            any view could not be read.
        readable: bool [videos].
    """

    mean: np.ndarray
    readable: np.ndarray


class Evaluator:
    """Runs a model over the views of videos; it is traced once for all calls.

    Args:
        model: uint8 [b, T, 3, H, W] -> float32 logits [b, classes].
        strategy: the strategy that the model was created under.
        after_batch: called after each batch.
    """

    def __init__(self, model, strategy, after_batch=lambda: None):
        self.model = model
        self.strategy = strategy
        self.after_batch = after_batch
        self._step = tf.function(self._probabilities, autograph=False)

    def __call__(self, dataset, *, videos, views=1):
        """Averages the probabilities over the views of each video.

        Args:
            dataset: distributed; elements ({"clip", "video", "view"}, label, weight).
                "view" may be missing where there is one. Weight 0 marks padding (video
                -1) or a view that could not be read.
            videos: how many videos there are.
            views: how many views each of them has.

        Returns:
            `Probabilities`.

        Raises:
            RuntimeError: a view came twice or not at all.
        """
        total = None
        seen = np.zeros([videos, views], np.int64)
        readable = np.ones([videos], bool)
        for batch in dataset:
            video, view, weight, probabilities = (t.numpy() for t in self._step(batch))
            real = video >= 0
            np.add.at(seen, (video[real], view[real]), 1)
            readable[video[real & (weight == 0)]] = False
            if total is None:
                total = np.zeros([videos, probabilities.shape[1]])
            np.add.at(total, video[real], probabilities[real])
            self.after_batch()
        if not (seen == 1).all():
            raise RuntimeError(
                f"Every view must be evaluated once; {np.count_nonzero(seen != 1)} of "
                f"{seen.size} were not."
            )
        return Probabilities(total / views * readable[:, None], readable)

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
        clips.validation(evaluator.strategy), videos=clips.validation_size
    )
    result = scores(probabilities.mean, probabilities.readable, clips.validation_labels)
    if result["loss"] is not None:
        row["validation_loss"] = result["loss"]
    return row | {name: result[name] for name in ("top1", "top5") if name in result}
