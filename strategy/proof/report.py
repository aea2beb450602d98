"""What is found on one worker or many, printed, and what follows from it."""

import socket

from configs.command.errors import MachineError
from configs.command.streams import produce
from strategy.proof.reduction import total


def report_findings(strategy, findings):
    """Prints findings; other workers than the chief print only what is wrong.

    Raises:
        MachineError: something is wrong, on this worker or another.
    """
    counts = {"ok": 0, "WRONG": 0, "note": 0}
    for finding in findings:
        counts[finding.verdict] += 1
        if strategy.extended.should_checkpoint:  # The chief does.
            produce(finding)
        elif finding.is_wrong:
            produce(f"{finding} (on {socket.gethostname()})")
    if counts["WRONG"]:
        total(strategy, 1)
        raise MachineError(
            f"{counts['WRONG']} of {sum(counts.values())} findings are wrong: see the "
            "lines that begin with WRONG."
        )
    if total(strategy, 0):
        raise MachineError("Another worker found something wrong: see its lines.")
    if strategy.extended.should_checkpoint:
        produce(f"Nothing is wrong: {counts['ok']} ok, {counts['note']} notes.")
