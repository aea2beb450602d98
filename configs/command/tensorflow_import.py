"""Imports TensorFlow without what it prints at every start.

TF_CPP_MIN_LOG_LEVEL, which TensorFlow reads when it is imported, is set to 2 where the
user has not set it: its C++ part then prints errors, and no longer notices and
warnings. What of these a user must know has a line of ours (`strategy.devices`).
Notices that it prints before it has read the variable are taken out here.
"""

import contextlib
import gc
import importlib
import os
import signal
import subprocess

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
ERRORS = "2"
# Whole lines, for grep: notices, and three kinds of lines that look like errors.
NOTICES = "|".join(
    (
        r"^I[0-9]{4} [0-9:.]+ +[0-9]+ [^ ]+\] ",  # I0000 00:00:1.2  7 port.cc:1] …
        r"^WARNING: All log messages before absl::InitializeLog",
        # Each library of CUDA is linked twice; the second is left out.
        r"Unable to register cu(FFT|DNN|BLAS) factory",
        r"computation placer already registered",
        # No driver is installed. `strategy.devices` warns where there is a GPU.
        r"failed call to cuInit: .*\(303\)",
    )
)


def import_tensorflow():
    """Imports TensorFlow and its Keras, and lets it find its devices.

    Where the user has set TF_CPP_MIN_LOG_LEVEL, it prints what that asks for. SIGTERM
    waits for the end of it.
    """
    # Else Keras 3 comes along, which nothing here uses, and matplotlib with it.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    quiet = LEVEL not in os.environ
    os.environ.setdefault(LEVEL, ERRORS)
    with (
        without_notices() if quiet else contextlib.nullcontext(),
        _without_collector(),
        _without_sigterm(),
    ):
        importlib.import_module("tf_keras")
        importlib.import_module("tensorflow").config.list_physical_devices()


@contextlib.contextmanager
def _without_collector():
    """Leaves out the search for garbage among what is imported, now and later.

    It takes a quarter of the processor time of the imports, and finds nothing.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


@contextlib.contextmanager
def _without_sigterm():
    """Has the threads that libraries start leave SIGTERM to the main thread."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextlib.contextmanager
def without_notices():
    """Takes `NOTICES` out of what this process writes to standard error.

    Another process does so, which outlives this one: the last words of a crash, as of a
    processor that lacks instructions, are not lost. Where there is no grep, everything
    is seen.
    """
    usual = os.dup(2)
    try:
        grep = subprocess.Popen(
            ["grep", "--text", "--line-buffered", "--invert-match", "-E", NOTICES],
            env=os.environ | {"LC_ALL": "C"},
            stdin=subprocess.PIPE,
            stdout=usual,
        )
    except OSError:
        os.close(usual)
        yield
        return
    os.dup2(grep.stdin.fileno(), 2)
    grep.stdin.close()
    try:
        yield
    finally:
        os.dup2(usual, 2)
        os.close(usual)
        # It ends with its last writer; one that was started meanwhile may go on.
        with contextlib.suppress(subprocess.TimeoutExpired):
            grep.wait(timeout=1)
