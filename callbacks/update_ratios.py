"""How far an update moves the weights, as a fraction of what they are."""

import numpy as np

from callbacks.base import RunCallback

EVERY = 100  # updates: it copies all weights to the host, twice.
# What the journal calls the ratio -> the part of the model whose weights it is of.
RATIOS = {"backbone_update_ratio": "backbone", "head_update_ratio": "head"}


class UpdateRatios(RunCallback):
    """Adds the ratios to what every hundredth update reports.

    A ratio is |w' - w| / |w|, where w are all trained weights of the backbone, or of
    the head, as one vector, before the update, and w' are they after it; its size is
    the Euclidean norm. Callbacks behind this one find the ratios in their `logs`. A
    part that trains no weights, or has none but zeros, has no ratio.
    """

    def __init__(self, step):
        super().__init__(step)
        self._before = {}

    def on_train_batch_begin(self, batch, logs=None):
        """Keeps the weights where the update that begins is one to report of."""
        if (self.step + 1) % EVERY == 0:
            self._before = {part: self._weights(part) for part in RATIOS.values()}

    def after_step(self, step, logs):
        """Compares the weights with those before the update."""
        for name, part in RATIOS.items():
            before = self._before.pop(part, ())
            size = _norm(before)
            if size:
                pairs = zip(self._weights(part), before, strict=True)
                logs[name] = _norm(new - old for new, old in pairs) / size

    def _weights(self, part):
        return [w.numpy() for w in getattr(self.model, part).trainable_variables]


def _norm(arrays):
    # NumPy's own sums: those of its linear algebra depend on the number of cores.
    return float(np.sqrt(sum(float(np.sum(np.square(each))) for each in arrays)))
