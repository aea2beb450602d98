"""What `fit` calls after each step and epoch, and the record that assembles it.

The public names are imported when they are first used, and TensorFlow with them:
`python -m callbacks.plot` must not wait for it.
"""

from configs.command.lazy import names_from

__getattr__ = names_from(
    __name__,
    {
        "Follower": "callbacks.follower",
        "Preemption": "callbacks.preemption",
        "Record": "callbacks.record",
        "Watchdog": "callbacks.watchdog",
        "keep_record": "callbacks.records",
        "rehearse": "callbacks.rehearsal",
        "show_views": "callbacks.views_progress",
    },
)

__all__ = [
    "Follower",
    "Preemption",
    "Record",
    "Watchdog",
    "keep_record",
    "rehearse",
    "show_views",
]
