"""What may be converted, and what may be written; needs no TensorFlow."""

import os
from pathlib import Path

from configs.command.errors import ConfigError

# The forms that `write_state_dict` writes, by the end of a file's name.
STATE_DICTS = (".pth", ".npz")
# Endings of weights that it does not write: OUTPUT would become a folder of that name.
NOT_WRITTEN = (".pt", ".bin", ".safetensors", ".ckpt", ".h5", ".keras", ".onnx", ".gz")


def require_checkpoint(path):
    """Raises ConfigError where a checkpoint is neither an existing path nor an address.

    Args:
        path: of a file or SavedModel, or its address.
    """
    if not Path(path).exists() and "://" not in str(path):
        raise ConfigError(
            "The checkpoint must be a file, a SavedModel or its address; there is no "
            f"{str(path)!r}."
        )


def require_new_output(output):
    """Raises ConfigError unless a model can be written to `output`, before any work.

    Args:
        output: the folder of a SavedModel, with a tar file beside it, or a file that
            ends in one of STATE_DICTS.
    """
    output = Path(output)
    if output.suffix not in STATE_DICTS and output.suffix.lower() in (
        *STATE_DICTS,
        *NOT_WRITTEN,
    ):
        raise ConfigError(
            "OUTPUT must be a folder, or a file that ends in "
            f"{' or '.join(STATE_DICTS)}; received {str(output)!r}."
        )
    outputs = [output]
    if output.suffix not in STATE_DICTS:
        outputs.append(Path(f"{output}.tar.gz"))
    for path in outputs:
        if os.path.lexists(path):
            raise ConfigError(f"The output must not exist yet; received {str(path)!r}.")
    folder = next(parent for parent in output.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise ConfigError(
            f"OUTPUT must lie in a folder; received {str(output)!r}, and "
            f"{str(folder)!r} is a file."
        )
