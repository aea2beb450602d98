"""Runs of `train.py` as forked children of one process that has imported TensorFlow.

A new process for each of hundreds of runs would spend its time importing. This one
reads a JSON object a line from standard input, forks a child for it and answers with
the child's process id:

    {"arguments": ["--config=…", …], "log": PATH,
     "faults": [[POINT, COUNT, ACTION], …], "sabotage": NAME or null,
     "environ": {…}}

In the child, ACTION happens the COUNT-th time it comes to POINT. Its output goes to the
log, and how it ended (its exit code, or the signal as a negative number) into a file
beside. TensorFlow starts no threads before it is first used, which is in the children
only.
"""

import contextlib
import json
import os
import resource
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import tensorflow as tf
import tf_keras as keras
from absl import flags

import train
from callbacks import record
from configs.command.dry_run import define_dry_run
from configs.command.flags import define
from configs.command.launch import run
from data import Clips
from data.scan import scanner
from data.sources.files import Files
from model import Evaluator, classifier
from storage import checkpoints, files
from storage.rows import Rows
from storage.run_folder import RunFolder
from strategy import agreement, multi_worker

# Name -> (object, attribute, whether the fault comes after the call, not before it).
POINTS = {
    "strategy begins": (multi_worker, "_configure_coordination", False),
    "strategy made": (tf.distribute, "MultiWorkerMirroredStrategy", True),
    "save begins": (checkpoints.CheckpointStore, "save", False),
    "variables written": (checkpoints, "_seal", False),
    "file synced": (files, "sync", True),
    "sealed": (checkpoints, "_seal", True),
    "renamed": (os, "replace", True),
    "old one renamed": (shutil, "rmtree", False),
    "save ended": (checkpoints.CheckpointStore, "save", True),
    "restoring": (checkpoints.CheckpointStore, "_try", False),
    "rewound": (Rows, "rewind", True),
    "stream opened": (Clips, "train", False),
    "clip read": (Files, "read", False),
    "step done": (record.Journal, "after_step", True),
    "epoch written": (record.Record, "end_epoch", True),
    "validation or evaluation": (Evaluator, "__call__", False),
    "reported": (train, "write_report", True),
    "finished": (RunFolder, "finish", True),
}


def limit_files(size):
    """No file may grow beyond so many bytes: what a full disk does to a write."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


HANGS = threading.Event()


def hang():
    """Waits for ever, and lets others know."""
    HANGS.set()
    time.sleep(10**6)


def terminate():
    """Sends the process the signal of a scheduler."""
    os.kill(os.getpid(), signal.SIGTERM)


def filler():
    """The file that takes what is left of the disk on which the run's folder lies."""
    return Path(flags.FLAGS.workdir).parent / "filler"


def fill_disk():
    """Leaves not a page to write to."""
    with contextlib.suppress(OSError), open(filler(), "wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


ACTIONS = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "terminate": terminate,
    "interrupt": lambda: os.kill(os.getpid(), signal.SIGINT),
    "hang up": lambda: os.kill(os.getpid(), signal.SIGHUP),
    "warn ahead": lambda: os.kill(os.getpid(), signal.SIGUSR1),
    "fill disk": fill_disk,
    "free disk": lambda: filler().unlink(),
    "limit files": lambda: limit_files(10_000),
    "unlimit files": lambda: limit_files(resource.RLIM_INFINITY),
    "hang": hang,
    "terminate once it hangs": lambda: HANGS.wait() and terminate(),
    "hang in TensorFlow": lambda: tf.queue.FIFOQueue(1, tf.int32).dequeue(),
}


def inject(point, count, action):
    """Has `action` happen the `count`-th time the process comes to `point`."""
    owner, name, after = POINTS[point]
    original, calls = getattr(owner, name), []

    def wrapped(*arguments, **options):
        calls.append(None)
        due = len(calls) == count
        if due and not after:
            ACTIONS[action]()
        result = original(*arguments, **options)
        if due and after:
            ACTIONS[action]()
        return result

    setattr(owner, name, wrapped)


def stock_dropout():
    """Keras's own dropout, whose random state is in no checkpoint."""
    layer = keras.layers.Dropout(0.5)
    classifier.draw_kept = lambda seed, count, rate: (
        layer(tf.ones([tf.shape(seed)[0], count]), training=True) > 0
    )


def stream_not_moved_on():
    """A resumed run sees the first clips again."""
    original = Clips.train
    Clips.train = lambda self, strategy, step: original(self, strategy, 0)


def iterations_not_restored():
    """The schedule and Adam's corrections begin anew."""
    original = checkpoints.CheckpointStore.restore

    def restore(self, **options):
        step = original(self, **options)
        self.optimizer.iterations.assign(0)
        return step

    checkpoints.CheckpointStore.restore = restore


def nan_from(first, last):
    """The sums of the second replica are NaN in updates first … last, from 0."""
    original = classifier.Classifier.compile

    def compile_wrongly(self, *arguments, **options):
        original(self, *arguments, **options)
        own_sums = self._own_sums

        def wrong_sums(*batch):
            sums, gradients = own_sums(*batch)
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            step = self.optimizer.iterations
            bad = (step >= first) & (step <= last) & (replica == 1)
            factor = tf.where(bad, float("nan"), 1.0)
            sums["loss"] *= factor
            return sums, [factor * gradient for gradient in gradients]

        self._own_sums = wrong_sums

    classifier.Classifier.compile = compile_wrongly


def count_decodes(path):
    """Adds a byte to a file, r for each clip that is read, s for each file scanned."""

    def counted(byte, original):
        def function(*arguments, **options):
            with open(path, "ab") as file:
                file.write(byte)
            return original(*arguments, **options)

        return function

    Files.read = counted(b"r", Files.read)
    scanner.scan_file = counted(b"s", scanner.scan_file)


SABOTAGES = {
    "stock dropout": stock_dropout,
    "stream not moved on": stream_not_moved_on,
    "iterations not restored": iterations_not_restored,
    "three NaN": lambda: nan_from(5, 7),
    "NaN for ever": lambda: nan_from(5, 10**6),
    "count decodes": count_decodes,
    "see at once": lambda: setattr(agreement, "UNSEEN", 0.0),
    "short registration": lambda: setattr(multi_worker, "REGISTRATION", 2),
    "short heartbeat": lambda: setattr(multi_worker, "HEARTBEAT", 5),
}


def child(request):
    """Runs train.py as the request says; never returns."""
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    # Whoever started the tests may ignore it, as a script does for its background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        for fault in request["faults"]:
            inject(*fault)
        os.environ.update(request["environ"])
        if request["sabotage"]:
            name, _, argument = request["sabotage"].partition(": ")
            SABOTAGES[name](*[argument] if argument else [])
        sys.argv = ["train.py", *request["arguments"]]
        run(lambda _: train.main(train.plan(_)))
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    os._exit(code)


def keep(request):
    """Forks the child, tells its process id and waits for its end; never returns."""
    process = os.fork()
    if process == 0:
        child(request)
    print(process, flush=True)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    aside = Path(f"{request['log']}.aside")
    aside.write_text(str(code))
    aside.rename(f"{request['log']}.code")
    os._exit(0)


def main():
    define()
    define_dry_run()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # The kernel reaps the keepers.
    for line in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            keep(json.loads(line))


if __name__ == "__main__":
    main()
