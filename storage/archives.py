"""Refuses what would unpack to far more than it is, before anything is unpacked.

Weights hardly compress. So a file may unpack to ten times its size, plus an allowance
for small ones, and may not be larger than any checkpoint of a Video Swin is.
"""

import bz2
import gzip
import lzma
import os
import tarfile
import zipfile
import zlib

from configs.command.errors import ConfigError

# The largest Video Swin has 200 million parameters: 0.8 GB, and four times as much with
# an optimizer's moments and an average beside them.
LARGEST_FILE = 8 * 2**30
EXPANSION, ALLOWANCE = 10, 64 * 2**20
OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
# What reading an archive raises that was cut off or changed.
UNREADABLE = (tarfile.TarError, zlib.error, lzma.LZMAError, OSError, EOFError)


def require_sane_size(path):
    """Raises ConfigError where a file is larger than any checkpoint is."""
    size = os.path.getsize(path)
    if size > LARGEST_FILE:
        raise ConfigError(
            f"A checkpoint must be at most {amount(LARGEST_FILE)}; {str(path)!r} is "
            f"{amount(size)}."
        )


def require_sane_unpacked_size(path, unpacked):
    """Raises ConfigError where a file unpacks to far more than it is.

    Args:
        path: the file.
        unpacked: bytes that it says it unpacks to, or has unpacked to so far.
    """
    size = os.path.getsize(path)
    limit = EXPANSION * size + ALLOWANCE
    if unpacked > limit:
        raise ConfigError(
            f"{str(path)!r} must unpack to at most {amount(limit)}, as weights hardly "
            f"compress; its {amount(size)} would become {amount(unpacked)} or more. It "
            "was not unpacked."
        )


def require_sane_zip(path):
    """Members of a zip file by name, once they are known to be of sensible size.

    Raises:
        ConfigError: they unpack to far more than the file is, overlap, or two of them
            have one name.
        zipfile.BadZipFile: it is none.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    require_sane_unpacked_size(path, sum(member.file_size for member in members))
    by_name = {member.filename: member for member in members}
    stored = sum(member.compress_size for member in members)
    if len(by_name) < len(members) or stored > os.path.getsize(path):
        raise ConfigError(
            f"{str(path)!r} must hold each of its members once; it was not unpacked."
        )
    return by_name


def require_sane_tar(path):
    """Raises ConfigError where a tar file, compressed or not, would unpack to too much.

    It is decompressed once, and nothing of it is kept: what a header says may be a lie,
    and headers themselves may be huge.
    """
    try:
        _require_sane_stream(path)
        if not tarfile.is_tarfile(path):
            raise ConfigError(
                f"A model must be a directory or a tar file; received {str(path)!r}."
            )
        claimed = 0
        with tarfile.open(path) as archive:
            for member in archive:
                claimed += member.size
                require_sane_unpacked_size(path, claimed)
    except UNREADABLE as error:
        raise ConfigError(
            f"{str(path)!r} must be a whole tar file: {error}."
        ) from error


def _require_sane_stream(path):
    with open(path, "rb") as file:
        start = file.read(8)
    opener = next(
        (OPENERS[magic] for magic in OPENERS if start.startswith(magic)), open
    )
    unpacked = 0
    with opener(path, "rb") as stream:
        while block := stream.read(1 << 20):
            unpacked += len(block)
            require_sane_unpacked_size(path, unpacked)


def amount(size):
    """A number of bytes for people: `1.5 GiB`."""
    units = ("bytes", "KiB", "MiB", "GiB", "TiB")
    power = max(
        power for power in range(len(units)) if size >= 1024**power or not power
    )
    return f"{size / 1024**power:.{min(power, 1)}f} {units[power]}"
