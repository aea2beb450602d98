"""Reads what PyTorch saved: tensors and class names, whatever they are wrapped in.

PyTorch comes with the extra `convert`. Nothing in a file is executed. Of the objects
that training runs save beside their weights some are known to be harmless; stand-ins
that keep nothing are read in their place, so that not even their own code runs.
"""

import collections
import contextlib
import pickle
import re
import reprlib

from absl import logging

from configs.command.errors import ConfigError, RunError
from configs.command.text import first_line
from model.weights.protocol import PROTOCOL, read_protocol
from model.weights.values import require_plain_names
from storage.archives import require_sane_unpacked_size

# Where projects keep the weights in what they save; the first that is there is taken.
AVERAGES = ("state_dict_ema", "model_ema")
WRAPPERS = (*AVERAGES, "state_dict", "model_state_dict", "model", "module", "net")
# What mmengine calls the weights before averaging; its state_dict is the average.
BEFORE_AVERAGING = "ema_state_dict"
DEEPEST = 4  # wrappers around one another: a dict may hold itself


class Nothing:
    """Stands in for an object beside the weights: takes anything, keeps nothing."""

    def __init__(self, *arguments, **options):
        pass

    def __setstate__(self, state):
        pass

    def __repr__(self):
        return "(not read)"


class Mapping:
    """Stands in for a kind of dict, and becomes a plain one."""

    def __new__(cls, *arguments):
        """An empty dict that the reader may fill."""
        return collections.OrderedDict()


# Each by its full name, never a whole module. The official repository and mmengine keep
# scores as NumPy scalars, and histories; timm keeps its command line, Microsoft's 2D
# Swin its yacs configuration, Lightning its hyper-parameters.
HARMLESS = {
    "numpy.core.multiarray.scalar": Nothing,
    "numpy._core.multiarray.scalar": Nothing,
    "numpy.core.multiarray._reconstruct": Nothing,
    "numpy._core.multiarray._reconstruct": Nothing,
    "numpy.dtype": Nothing,
    "numpy.ndarray": Nothing,
    "argparse.Namespace": Nothing,
    "pathlib.PosixPath": Nothing,
    "pathlib.WindowsPath": Nothing,
    "pathlib._local.PosixPath": Nothing,
    "pathlib._local.WindowsPath": Nothing,
    "torch.torch_version.TorchVersion": Nothing,
    "mmengine.logging.history_buffer.HistoryBuffer": Nothing,
    "mmcv.utils.config.ConfigDict": Mapping,
    "mmengine.config.config.ConfigDict": Mapping,
    "yacs.config.CfgNode": Mapping,
    "pytorch_lightning.utilities.parsing.AttributeDict": Mapping,
    "lightning_fabric.utilities.data.AttributeDict": Mapping,
    "lightning.fabric.utilities.data.AttributeDict": Mapping,
    "lightning.pytorch.utilities.parsing.AttributeDict": Mapping,
}


def import_torch(path):
    """PyTorch, which only files of its own form need."""
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{str(path)!r} needs PyTorch: pip install '.[convert]'."
        ) from error
    return torch


def read_torch(path):
    """Tensors of a file saved by PyTorch, and what its `meta` says of the model.

    Returns:
        (arrays by the names that the file gives them, class names as they came or
        None, `Protocol`).

    Raises:
        ConfigError: reading it would run code, it is damaged, or it holds something
            else than a state dict of plain tensors.
    """
    torch = import_torch(path)
    content = load(torch, path)
    state = unwrap(path, content)
    tensors = {
        name: value for name, value in state.items() if isinstance(value, torch.Tensor)
    }
    foreign = [name for name, value in state.items() if isinstance(value, Nothing)]
    require_plain_names([*tensors, *foreign], path)
    if foreign:
        raise unreadable(path, f"{foreign[0]} is not a tensor of PyTorch")
    if not tensors:
        raise unreadable(path, f"it holds no tensors, but {reprlib.repr(list(state))}")
    for name, value in tensors.items():
        require_plain(torch, path, name, value)
    # A tensor may claim any shape over a storage of a few bytes, by strides of 0.
    require_sane_unpacked_size(
        path, sum(value.numel() * value.element_size() for value in tensors.values())
    )
    arrays = {name: as_array(torch, value) for name, value in tensors.items()}
    meta = meta_of(content)
    return arrays, class_names_of(meta), read_protocol(meta.get(PROTOCOL), path)


def load(torch, path):
    """What the file holds, without running any code of it."""
    harmless = [(stand_in, name) for name, stand_in in HARMLESS.items()]
    try:
        # By the open file: given a name, PyTorch goes by its ending.
        with (
            readable(path),
            torch.serialization.safe_globals(harmless),
            open(path, "rb") as file,
        ):
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = f", {found[1]!r}" if found else ""
        raise ConfigError(
            f"{str(path)!r} is damaged or holds more than tensors and plain values"
            f"{what}: reading it could execute code, so it was not read. A file with "
            "nothing but the state dict can be read."
        ) from error


def unwrap(path, content):
    """The state dict within whatever a project wraps it in; says which of several.

    Raises:
        ConfigError: there is none.
    """
    for _ in range(DEEPEST + 1):
        if not isinstance(content, dict):
            break
        inside = {key: content.get(key) for key in WRAPPERS}
        found = [
            key for key in WRAPPERS if isinstance(inside[key], dict) and inside[key]
        ]
        if not found:
            return content
        report_choice(path, content, found)
        content = content[found[0]]
    raise unreadable(path, f"it holds a {type(content).__name__} of unknown form")


def report_choice(path, content, found):
    """Says which weights are taken where a file holds several, and why."""
    taken, *others = found
    why = f"is the first of {', '.join(WRAPPERS)} that is there"
    if taken in AVERAGES:
        why = "is the average, which timm evaluates unless told otherwise"
    elif BEFORE_AVERAGING in content:
        why = "is the average already where mmengine keeps both"
    known = {taken, *others}
    others += [key for key in weights_beside(content, taken) if key not in known]
    if others:
        logging.warning(
            "%s: %s is taken, since it %s; left out: %s.",
            path,
            taken,
            why,
            ", ".join(map(str, others)),
        )


def weights_beside(content, taken):
    """Names of other entries that hold weights of the same model.

    An average, for instance, whatever it is called and wrapped in.

    Args:
        content: of a file, or of a wrapper in it.
        taken: the name of the entry with the weights that are taken.
    """
    layers = layers_of(content[taken])
    for key, value in content.items():
        if key == taken or not isinstance(value, dict):
            continue
        inside = [value, *(v for v in value.values() if isinstance(v, dict))]
        if any(layers & layers_of(candidate) for candidate in inside):
            yield key


def layers_of(state):
    """The ends of a state dict's names, `attn.qkv.weight`, behind any prefix."""
    names = (str(name).rsplit(".", 3)[-3:] for name in state)
    return {tuple(name) for name in names if len(name) == 3}


def require_plain(torch, path, name, tensor):
    """Raises ConfigError unless a tensor is a dense one of real numbers with values.

    Nothing is computed from it.
    """
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        what = f"a {type(tensor).__name__}, which no plain tensor is"
    elif tensor.is_nested:
        what = "nested"
    elif tensor.is_quantized:
        what = "quantised"
    elif tensor.layout != torch.strided:
        what = f"sparse ({tensor.layout})"
    elif tensor.is_meta:
        what = "without values (on the device meta)"
    elif tensor.dtype not in readable_types(torch):
        what = f"of type {tensor.dtype}"
    else:
        return
    raise unreadable(
        path,
        f"{name} must be a dense tensor of float64, float32, float16 or bfloat16; it "
        f"is {what}",
    )


def readable_types(torch):
    """Types of weights, and of the buffers beside them."""
    floats = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
    return (*floats, torch.int64, torch.int32, torch.int16, torch.uint8, torch.bool)


def as_array(torch, tensor):
    """A tensor as an array; NumPy has no bfloat16."""
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return tensor.detach().resolve_neg().numpy()


def meta_of(content):
    """What a checkpoint of mmaction, or of ours, says of itself beside the weights."""
    meta = content.get("meta") if isinstance(content, dict) else None
    return meta if isinstance(meta, dict) else {}


def class_names_of(meta):
    """Class names as a checkpoint of mmaction gives them, unchecked; None without."""
    described = meta.get("dataset_meta")
    places = [meta, described if isinstance(described, dict) else {}]
    names = (place.get(key) for place in places for key in ("CLASSES", "classes"))
    found = next((found for found in names if found is not None), None)
    return tuple(found) if isinstance(found, list) else found


@contextlib.contextmanager
def readable(path):
    """Says of a file that it cannot be read, whatever a library raises on it.

    A changed byte may end in an error of any kind: libraries check little of what they
    read. `pickle.UnpicklingError` passes, since `load` knows more about it.

    Raises:
        ConfigError: something was raised.
    """
    try:
        yield
    except (RunError, pickle.UnpicklingError):
        raise
    except Exception as error:
        raise unreadable(path, error) from error


def unreadable(path, error):
    """The error that says why a file cannot be read."""
    return ConfigError(
        f"The checkpoint must be a whole file of a known form; {str(path)!r} cannot be "
        f"read: {first_line(error)}."
    )
