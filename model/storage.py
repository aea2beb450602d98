"""Files that appear whole or not at all, and their hashes."""

import contextlib
import hashlib
import shutil
import tempfile
from pathlib import Path

from configs.errors import ConfigError


@contextlib.contextmanager
def written_aside(target):
    """Yields a path beside `target` that becomes `target` once the body has succeeded.

    Whatever the body leaves there, a file or a directory, is moved in one step; when
    the body fails, nothing stays behind.

    Raises:
        ConfigError: `target` exists.
    """
    target = Path(target)
    if target.exists():
        raise ConfigError(f"The output must not exist yet; received {str(target)!r}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".writing-", dir=target.parent))
    try:
        yield aside / target.name
        (aside / target.name).replace(target)
    finally:
        shutil.rmtree(aside)


def sha256(path):
    """The SHA-256 of a file as hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
