"""How much the examples of each class count in the loss."""

import numpy as np


def class_weights(config, counts):
    """The weights that `optimizer.class_weights` asks for.

    balanced: n / (classes * n_class), with n training videos in all, n_class of the
    class, and as many classes as have any (scikit-learn's `compute_class_weight` calls
    it "balanced"). Every class then counts the same over an epoch, and the mean weight
    of the epoch's clips is 1.

    Args:
        config: `configs.schema.Optimizer`.
        counts: int [classes], the training videos of each class.

    Returns:
        float32 [classes], 0 for a class without training videos; None where every
        example counts the same.
    """
    if config.class_weights == "none":
        return None
    counts = np.asarray(counts, np.float64)
    weights = np.zeros_like(counts)
    there = counts > 0
    weights[there] = counts.sum() / (np.count_nonzero(there) * counts[there])
    return weights.astype(np.float32)
