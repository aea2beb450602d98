"""What `model.handle` may name; needs no TensorFlow."""

import os

from configs.command.errors import ConfigError


def check_handle(handle):
    """Raises ConfigError where a handle is neither an existing path nor an address.

    Args:
        handle: `model.handle`, which is not empty.
    """
    if "://" not in str(handle) and not os.path.exists(handle):
        raise ConfigError(
            "model.handle must be a path or an address that can be fetched; "
            f"received {handle!r}, which is not there."
        )
