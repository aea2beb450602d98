"""Refuses what would unpack to far more than it is, before anything is unpacked.

Weights hardly compress. So a file may unpack to ten times its size, plus an allowance
for small ones, and may not be larger than any checkpoint of a Video Swin is.
"""

import bz2
import errno
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
# What the system says of a member that cannot be: a name too long, a file below a file,
# two kinds of one name.
IMPOSSIBLE = {
    *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOENT),
    *(errno.EINVAL, errno.EILSEQ, errno.ELOOP, errno.ENOTEMPTY),
}
# What reading a compressed file raises that was cut off or changed.
UNREADABLE = (zlib.error, lzma.LZMAError, OSError, EOFError)


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


def extract(members, member, folder):
    """Writes one member of a tar file.

    Raises:
        tarfile.TarError: no folder can hold what the member says that it is.
        OSError: the disk or the folder does not allow it.
    """
    try:
        members.extract(member, folder, filter="data")
    except (ValueError, OverflowError) as error:
        raise tarfile.ReadError(f"{member.name!r}: {error}") from error
    except OSError as error:
        if error.errno in IMPOSSIBLE:
            raise tarfile.ReadError(f"{member.name!r}: {error.strerror}") from error
        raise


class Bounded:
    """A file that ends in an error rather than give more than `limit` bytes."""

    def __init__(self, file, limit):
        self.file = file
        self.left = limit

    def read(self, size):
        """Up to `size` bytes."""
        try:
            content = self.file.read(min(size, self.left + 1))
        except UNREADABLE as error:
            raise tarfile.ReadError(str(error)) from None
        self.left -= len(content)
        if self.left < 0:
            raise tarfile.ReadError("it unpacks to far more than it is")
        return content


def compression(path):
    """What opens a file that is compressed, by its first bytes; None for another."""
    with open(path, "rb") as file:
        start = file.read(8)
    return next((OPENERS[magic] for magic in OPENERS if start.startswith(magic)), None)


def opened(path):
    """A file, decompressed where it is compressed, open to be read."""
    return (compression(path) or open)(path, "rb")


def is_tar(path):
    """Whether a file begins as a tar file does, compressed or not."""
    try:
        with opened(path) as file:
            tarfile.TarInfo.frombuf(file.read(512), "utf-8", "surrogateescape")
    except tarfile.EOFHeaderError:  # A tar file of nothing.
        return True
    except (*UNREADABLE, tarfile.HeaderError):
        return False
    return True


def unpack_tar(path, folder):
    """Unpacks a tar file in one pass; what is too much is never written.

    What a header says may be a lie, and headers themselves may be huge.

    Args:
        path: the file, compressed or not.
        folder: the path of the folder that is made.

    Raises:
        tarfile.TarError: it is no whole tar file of files and folders, or unpacks to
            far more than it is.
    """
    folder.mkdir()
    limit = EXPANSION * os.path.getsize(path) + ALLOWANCE
    with opened(path) as file:
        content = Bounded(file, limit)
        with tarfile.open(fileobj=content, mode="r|") as members:
            for member in members:
                limit -= member.size
                if limit < 0:
                    raise tarfile.ReadError(
                        f"it unpacks to more than {EXPANSION} times its size"
                    )
                if not (member.isreg() or member.isdir()):
                    raise tarfile.ReadError(f"{member.name!r} is no file and no folder")
                extract(members, member, folder)
        while content.read(1 << 20):  # A compressed file's checksum is at its end.
            pass


def amount(size):
    """A number of bytes for people: `1.5 GiB`."""
    units = ("bytes", "KiB", "MiB", "GiB", "TiB")
    power = max(
        power for power in range(len(units)) if size >= 1024**power or not power
    )
    return f"{size / 1024**power:.{min(power, 1)}f} {units[power]}"
