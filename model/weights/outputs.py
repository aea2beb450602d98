"""What may be converted, and what may be written; needs no TensorFlow."""

import importlib.util
import os
from pathlib import Path

from configs.command.errors import ConfigError

# The forms that `write_state_dict` writes, by the end of a file's name.
STATE_DICTS = (".pth", ".npz")
# Endings of weights that it does not write: OUTPUT would become a folder of that name.
NOT_WRITTEN = (".pt", ".bin", ".safetensors", ".ckpt", ".h5", ".keras", ".gz")
ONNX = ".onnx"  # the form that `write_onnx` writes
TFLITE = ".tflite"  # the form that `write_tflite` writes


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


def require_new_output(output, files=STATE_DICTS):
    """Raises ConfigError unless a model can be written to `output`, before any work.

    Args:
        output: the folder of a SavedModel, with a tar file beside it, or a file that
            ends in one of `files`.
        files: endings of the files that can be written.
    """
    output = Path(output)
    if output.suffix not in files and output.suffix.lower() in (
        *STATE_DICTS,
        ONNX,
        TFLITE,
        *NOT_WRITTEN,
    ):
        raise ConfigError(
            f"OUTPUT must be a folder, or a file that ends in {' or '.join(files)}; "
            f"received {str(output)!r}."
        )
    outputs = [output]
    if output.suffix not in files:
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


def require_new_file(path, ending, field):
    """Raises ConfigError unless a file can be written, before any work.

    Args:
        path: of the file.
        ending: of its name.
        field: what the path is the value of, for the message.
    """
    path = Path(path)
    if path.suffix.lower() != ending:
        raise ConfigError(
            f"{field} must be a file that ends in {ending}; received {str(path)!r}."
        )
    if os.path.lexists(path):
        raise ConfigError(f"{field} must not exist yet; received {str(path)!r}.")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ConfigError(
            f"{field} must lie in a folder that can be written; received {str(path)!r}."
        )


def require_new_files(wanted):
    """Raises ConfigError unless each of several files can be written, before any work.

    Args:
        wanted: dict of the field that names a file -> (its path, ending of its name).
    """
    fields = {}
    for field, (path, ending) in wanted.items():
        require_new_file(path, ending, field)
        other = fields.setdefault(os.path.realpath(path), field)
        if other != field:
            raise ConfigError(
                f"{field} must be another file than {other}; both are {path}."
            )


def require_onnx():
    """Raises ConfigError where the extra is not installed; imports nothing."""
    names = ("onnx", "onnxruntime", "tf2onnx")
    missing = [name for name in names if not importlib.util.find_spec(name)]
    if missing:
        raise ConfigError(
            f"An OUTPUT that ends in {ONNX} needs {', '.join(missing)}: "
            "pip install -e '.[onnx]'."
        )
