"""A profile of some steps, which TensorBoard opens."""

import tensorflow as tf
from absl import logging

from callbacks.base import RunCallback


class Profile(RunCallback):
    """Has TensorFlow's profiler watch the steps from one to another.

    Nothing that fails here is worth a run: it is logged. A profile ends with its epoch
    at the latest, since the validation that follows belongs to no step. A run that ends
    meanwhile has none.

    Args:
        path: the folder of event files, beside which TensorBoard looks for profiles.
        steps: (first, last), the numbers of updates as in the journal.
        step: updates done so far.
    """

    def __init__(self, path, *, steps, step):
        super().__init__(step)
        self.path = path
        self.first, self.last = steps
        self.begun = False
        if step < self.first:  # What it loads would take the time of the first step.
            self._try("start", "")
            self._try("stop", save=False)

    def on_train_batch_begin(self, batch, logs=None):
        """Starts the profiler before the first of the steps."""
        if self.step + 1 == self.first:
            self.begun = self._try("start", str(self.path))

    def after_step(self, step, logs):
        """Writes the profile after the last of them."""
        if step == self.last:
            self._end()

    def on_train_end(self, logs=None):
        """Writes the profile where the epoch ends before the last of the steps."""
        self._end()

    def _end(self):
        begun, self.begun = self.begun, False
        if begun and self._try("stop"):
            line = "A profile of the steps %d to %d is in %s."
            logging.info(line, self.first, self.step, self.path / "plugins/profile")

    def _try(self, action, *arguments, **options):
        """Calls a function of the profiler; returns whether it has done its work."""
        try:
            getattr(tf.profiler.experimental, action)(*arguments, **options)
        except tf.errors.OpError as error:
            logging.warning("The profiler did not %s: %s", action, error.message)
            return False
        return True


def profiles(steps, path, *, step, calendar):
    """The callback that `runtime.profile_steps` asks for; says where it comes too late.

    Args:
        steps: (first, last), or None.
        path: the folder of event files.
        step: updates done so far.
        calendar: the run's `Calendar`.

    Returns:
        list of at most one `Profile`.
    """
    if steps is None:
        return []
    first, last = steps
    if not step < first <= calendar.steps:
        ended = step == calendar.steps
        logging.warning(
            "No profile: the steps %d to %d of runtime.profile_steps do not begin in "
            "what is left of the run, %s.",
            first,
            last,
            "no step" if ended else f"steps {step + 1} to {calendar.steps}",
        )
        return []
    return [Profile(path, steps=steps, step=step)]
