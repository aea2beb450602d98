"""Turns videos on disk into clips on replicas.

`open_clips` opens a data set, `video_views` a single file; `decoding_rate` measures.

The public names are imported when they are first used, and TensorFlow with them: the
commands of this package (`python -m data.scan`, …) must not wait for it.
"""

from configs.command.lazy import names_from

__getattr__ = names_from(
    __name__,
    {
        "Clips": "data.clips",
        "check_root": "data.sources",
        "DecodeError": "data.decoding.errors",
        "decoding_rate": "data.rate",
        "open_clips": "data.clips",
        "video_views": "data.one_video",
    },
)

__all__ = [
    "Clips",
    "DecodeError",
    "check_root",
    "decoding_rate",
    "open_clips",
    "video_views",
]
