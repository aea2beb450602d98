"""What happens around the steps of a run: saving, stopping, watching, reporting."""

from callbacks.folder import RunFolder
from callbacks.preemption import Preemption
from callbacks.record import Record
from callbacks.report import scores, summary, write_report
from callbacks.store import CheckpointStore, restore_weights
from callbacks.watchdog import Watchdog

__all__ = [
    "CheckpointStore",
    "Preemption",
    "Record",
    "RunFolder",
    "Watchdog",
    "restore_weights",
    "scores",
    "summary",
    "write_report",
]
