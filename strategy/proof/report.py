"""What is found on one worker or many, printed, and what follows from it."""

import socket

from configs.command.errors import MachineError
from configs.command.streams import produce


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
