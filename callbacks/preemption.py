"""SIGTERM, its kin and Ctrl-C end a run without losing a finished step."""

import os
import signal
import threading
import time

from absl import logging

from callbacks.base import RunCallback
from configs.command.errors import Interrupted, RetryError

# Seconds in which a signal is an echo of the first: some supervisors send theirs to the
# process and then to its group.
ECHO = 1.0
STOP = "stop"  # What a worker tells the others: whether a signal has come to it.
ERRORS = {
    signal.SIGTERM: RetryError,
    signal.SIGHUP: RetryError,  # The terminal, or the connection to it, is gone.
    signal.SIGUSR1: RetryError,  # What Slurm is usually asked to send ahead of time.
    signal.SIGINT: Interrupted,
}


class Preemption(RunCallback):
    """Turns SIGTERM, SIGHUP, SIGUSR1 and SIGINT into an orderly end.

    One that the process was started to ignore stays ignored: SIGHUP under `nohup`,
    SIGINT in the background of a script, SIGTERM after `trap '' TERM`.

    While a step has been done that is in no checkpoint, a signal waits for the step in
    flight, which is then saved; a second one, a second later or more, does not wait. At
    any other time (scanning videos, restoring, compiling, validating, evaluating) there
    is nothing to lose and the process ends at once: preempted machines are gone within
    seconds.

    Python runs signal handlers between two of its own instructions only, which can be
    minutes away while TensorFlow compiles, and for ever where it hangs. So a thread
    listens. Ending the process there does no more harm than SIGKILL.
    """

    def __init__(self):
        super().__init__(0)
        self.record = None
        self.signal = None
        self.heard = 0.0
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=self._listen, args=[reader], daemon=True).start()
        ignored = []
        for number in ERRORS:
            # Only what Python handles is written to the pipe.
            if signal.signal(number, lambda *_: None) == signal.SIG_IGN:
                signal.signal(number, signal.SIG_IGN)
                ignored.append(signal.Signals(number).name)
        if ignored:
            logging.info(
                "Ignored, as the process was started so: %s.", ", ".join(ignored)
            )

    def begin(self, record):
        """Tells that from now on there may be steps that must be saved before the end.

        Args:
            record: the run's `Record`, or the `Follower` of it.
        """
        self.step = record.step
        self.record = record

    def after_step(self, step, logs):
        """Ends the run if a signal has come, here or on another worker.

        All workers must end after the same step, or those that go on would wait for the
        others. So each tells with every update whether a signal has come to it, and the
        sum over all of them, which is the same everywhere, decides.
        """
        if STOP not in logs:
            self.poll()
        elif logs[STOP]:
            self.record.save()
            raise self._error(self.signal)

    def poll(self):
        """Ends the run if a signal has come; steps that are in no checkpoint are saved.

        Raises:
            RetryError: after SIGTERM, SIGHUP or SIGUSR1; Interrupted: after Ctrl-C.
            StorageError: the checkpoint could not be written.
        """
        if self.signal is None:
            return
        if self._must_save():
            self.record.save()
        raise self._error(self.signal)

    def _listen(self, pipe):
        # The main thread's, which does not take it while TensorFlow has its handler.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        while True:
            self._receive(os.read(pipe, 1)[0])

    def _receive(self, number):
        if number not in ERRORS:
            return
        again = self.signal is not None
        if again and time.monotonic() - self.heard < ECHO:
            return
        wait = not again and self._must_save()
        self.signal = number  # From here on the main thread acts on it, too.
        if wait:
            _say(
                f"{signal.Signals(number).name}: stopping after this step; again to "
                f"stop at once (process {os.getpid()})."
            )
            self.heard = time.monotonic()
            return
        error = self._error(number)
        _say(str(error))
        # A step may have ended meanwhile: then the main thread saves it and stops.
        if again or not self._must_save():
            os._exit(error.exit_code)

    def _must_save(self):
        return self.record is not None and self.record.unsaved

    def _error(self, number):
        name = signal.Signals(number).name if number else "a signal to another worker"
        message = f"Stopped by {name}; the same command goes on"
        if self.record is not None:
            message += f" after step {self.record.saved}"
        return ERRORS.get(number, RetryError)(f"{message}.")


def _say(text):
    """Logs a line, but waits no longer than a second for whoever reads the log."""
    thread = threading.Thread(target=logging.warning, args=["%s", text], daemon=True)
    thread.start()
    thread.join(1)
