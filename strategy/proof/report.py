"""What is found on one worker or many, printed, and what follows from it."""

import socket

import tensorflow as tf

from configs.command.errors import MachineError, RetryError, RunError, WorkerError
from configs.command.findings import wrong
from configs.command.streams import produce
from configs.command.text import first_line
from strategy.lost import essence


def report_findings(workers, findings):
    """Prints findings; other workers than the chief print only what is wrong.

    What the others found comes over the workers' own connections: an all-reduce may be
    what is wrong.

    Args:
        workers: the `Workers`, all of which call this.
        findings: of this worker.

    Raises:
        MachineError: something is wrong, on this worker or another.
    """
    counts = {"ok": 0, "WRONG": 0, "note": 0}
    for finding in findings:
        counts[finding.verdict] += 1
        if workers.is_chief:
            produce(finding)
        elif finding.is_wrong:
            produce(f"{finding} (on {socket.gethostname()})")
    everywhere = sum(workers.gather("findings", counts["WRONG"]))
    if counts["WRONG"]:
        raise MachineError(
            f"{counts['WRONG']} of {sum(counts.values())} findings are wrong: see the "
            "lines that begin with WRONG."
        )
    if everywhere:
        raise MachineError("Another worker found something wrong: see its lines.")
    if workers.is_chief:
        produce(f"Nothing is wrong: {counts['ok']} ok, {counts['note']} notes.")


def tried(workers, subject, findings):
    """The findings of a check; where it fails, that is one, and other checks follow.

    On several workers none follows: the others may wait within the same check.

    Args:
        workers: the `Workers`.
        subject: of the check, in words.
        findings: of the check, a generator.

    Yields:
        `Finding`.

    Raises:
        MachineError: it has failed on this one of several workers.
        WorkerError, RetryError: another worker has ended.
    """
    try:
        yield from findings
    except (RetryError, WorkerError):
        raise
    except (tf.errors.OpError, RunError) as error:
        is_own = isinstance(error, RunError)
        reason = error if is_own else workers.reason(error)
        if reason is not error:
            raise reason from error
        text = first_line(error if is_own else essence(error))
        yield wrong(
            f"{subject}: {type(error).__name__}: {text}.",
            "It could not be checked; where memory ran out, give a smaller "
            "--data.batch_size.",
        )
        if workers.count > 1:
            raise MachineError(
                f"{subject} has failed on {workers}, and others may wait for it there: "
                "see the line that begins with WRONG."
            ) from None
