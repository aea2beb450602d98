"""What `fit` calls after each step and epoch, and the record that assembles it."""

from callbacks.preemption import Preemption
from callbacks.record import Record
from callbacks.watchdog import Watchdog

__all__ = ["Preemption", "Record", "Watchdog"]
