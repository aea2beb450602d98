"""The bases of what a run calls after each step, and of what keeps its record."""

import tf_keras as keras


class RunCallback(keras.callbacks.Callback):
    """Counts the steps of the run across epochs and restarts.

    Keras numbers steps anew in each call of `fit`, and its own epoch ends before the
    validation; these hooks follow the run.
    """

    def __init__(self, step):
        """Begins to count.

        Args:
            step: how many updates were done before the first that this one sees.
        """
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        """Called by Keras; subclasses provide `after_step`."""
        self.step += 1
        self.after_step(self.step, logs)

    def after_step(self, step, logs):
        """Called after update number `step` (the first is 1).

        Args:
            step: updates done so far.
            logs: what `Classifier.train_step` returned for it, as NumPy values.
        """

    def after_epoch(self, row):
        """Called once an epoch has ended and been validated.

        Args:
            row: of history.jsonl, which holds it already.
        """


class Recorder:
    """What a run asks of its record, on the worker that writes it and on the others.

    Subclasses have `step` and `saved` (updates done, and those that are in the newest
    checkpoint), `watchdog`, `preemption` and `save()`.

    Attributes:
        show_views: shows how far a validation or evaluation is, a function; None on a
            worker that shows nothing. See `callbacks.views_progress.show_views`.
    """

    show_views = None

    @property
    def unsaved(self):
        """Whether updates have been done that are in no checkpoint."""
        return self.step > self.saved

    def check_in(self):
        """Tells the watchdog that the run moves, and ends it if a signal has come."""
        self.watchdog.beat()
        self.preemption.poll()

    def end(self):
        """Saves the last step; here a full disk ends the run."""
        self.save()
        self.check_in()
