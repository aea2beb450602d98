"""The base of callbacks that act after a step, numbered over the whole run."""

import tf_keras as keras


class StepCallback(keras.callbacks.Callback):
    """Counts the steps of the run across epochs and restarts.

    Args:
      step: updates done before the first that this callback sees.
    """

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        self.after_step(self.step, logs)

    def after_step(self, step, logs):
        """Called after update number `step` (the first is 1).

        Args:
          step: updates done so far.
          logs: what `Classifier.train_step` returned for it, as NumPy values.
        """
