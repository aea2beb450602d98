"""Which of TensorFlow's errors tell of another worker that is lost."""

import re

import tensorflow as tf

# Types that it raises where another worker is lost. Only the first two are about other
# processes in any case: a broken kernel or driver of this machine raises the rest, too.
REMOTE = (tf.errors.UnavailableError, tf.errors.DeadlineExceededError)
LOST = (
    *REMOTE,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)
# What the rest then speak of.
TOPICS = re.compile(
    r"collective|nccl|coordination|heartbeat|barrier|rpc", re.IGNORECASE
)
NODE = re.compile(r"\[(\[.*?\]\]|Op:[^\]]*\])")


def tells_of_others(error):
    """Whether an error is about the connection with other workers, by what it says."""
    if isinstance(error, REMOTE):
        return True
    return isinstance(error, LOST) and bool(TOPICS.search(essence(error)))


def essence(error):
    """What an error of TensorFlow says, on one line.

    Without the stacks that created the nodes, whose files (of the strategy) and nodes
    (of the collectives) are named in the errors of any operation beside them.

    Args:
        error: a `tf.errors.OpError`.
    """
    lines = str(error.message).split("\n")
    files = [n for n, line in enumerate(lines) if line.lstrip().startswith('File "')]
    if files:
        lines = lines[files[-1] + 2 :]  # Each is followed by its line of code, or none.
    return " ".join(NODE.sub("", " ".join(lines)).split()).rstrip(".")
