"""What `fit` calls after each step and epoch, and the record that assembles it."""

from callbacks.follower import Follower
from callbacks.lost_videos import LOST
from callbacks.preemption import STOP, Preemption
from callbacks.record import Record
from callbacks.watchdog import Watchdog

__all__ = ["LOST", "STOP", "Follower", "Preemption", "Record", "Watchdog"]
