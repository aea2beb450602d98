"""Turns videos on disk into clips on replicas.

`open_clips` opens a data set, `video_views` a single file; `decoding_rate` measures.

The public names are imported when they are first used, and TensorFlow with them: the
commands of this package (`python -m data.scan`, …) must not wait for it.
"""

import importlib

_MODULES = {
    "Clips": "data.clips",
    "DecodeError": "data.decoding.errors",
    "decoding_rate": "data.rate",
    "open_clips": "data.clips",
    "video_views": "data.one_video",
}

__all__ = ["Clips", "DecodeError", "decoding_rate", "open_clips", "video_views"]


def __getattr__(name):
    """Imports a public name."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
