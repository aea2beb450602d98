"""What `fit` calls after each step and epoch, and the record that assembles it."""

from callbacks.follower import Follower
from callbacks.preemption import Preemption
from callbacks.record import Record
from callbacks.records import keep_record
from callbacks.rehearsal import rehearse
from callbacks.watchdog import Watchdog

__all__ = ["Follower", "Preemption", "Record", "Watchdog", "keep_record", "rehearse"]
