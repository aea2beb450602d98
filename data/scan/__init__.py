"""Finds out what every video really holds, and remembers it."""

from data.scan.cache import (
    SCAN_FILE,
    ScanCache,
    candidate_paths,
    judges,
    load_own,
    state_of,
    write_first,
)
from data.scan.decoder_process import DecoderProcess
from data.scan.scanner import scan_file, scan_videos
from data.scan.video import Video

__all__ = [
    "SCAN_FILE",
    "DecoderProcess",
    "ScanCache",
    "Video",
    "candidate_paths",
    "judges",
    "load_own",
    "scan_file",
    "scan_videos",
    "state_of",
    "write_first",
]
