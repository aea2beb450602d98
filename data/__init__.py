"""Turns videos on disk into clips on replicas.

`open_clips` opens a data set, `views_of_files` and `windows_of_files` single files that
`find_inputs` finds; `decoding_rate` measures.

The public names are imported when they are first used, and TensorFlow with them: the
commands of this package (`python -m data.scan`, …) must not wait for it.
"""

from configs.command.lazy import names_from

__getattr__ = names_from(
    __name__,
    {
        "STANDARD_INPUT": "data.inputs",
        "Clips": "data.clips",
        "check_root": "data.sources",
        "DecodeError": "data.decoding.errors",
        "decoding_rate": "data.rate",
        "find_inputs": "data.inputs",
        "open_clips": "data.clips",
        "views_of_files": "data.one_video",
        "windows_of_files": "data.sliding",
        "write_annotated": "data.annotation",
    },
)

__all__ = [
    "STANDARD_INPUT",
    "Clips",
    "DecodeError",
    "check_root",
    "decoding_rate",
    "find_inputs",
    "open_clips",
    "views_of_files",
    "windows_of_files",
    "write_annotated",
]
