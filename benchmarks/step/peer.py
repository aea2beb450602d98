"""Other implementations, and what the official one imports that is not here.

Its backbone imports the frameworks around it for a registry, a logger, a loader of
checkpoints and three small functions. None of them takes part in a step but the latter,
which are written anew here; nothing of the repository is copied.
"""

import dataclasses
import importlib.util
import sys
import time
import types
from pathlib import Path

SOURCE = "mmaction/models/backbones/swin_transformer.py"
CLASSES = 101  # of every head, ours too
MEAN = (123.675, 116.28, 103.53)  # of RGB in 0..255, official img_norm_cfg
DEVIATION = (58.395, 57.12, 57.375)


@dataclasses.dataclass(frozen=True)
class Peer:
    """Another implementation, whose step is compared with ours.

    Attributes:
        title: what it is.
        source: a file that a checkout of its repository holds.
        worker: the module that computes its steps.
        needs: the library that it is written with, to import.
        command: what installs that library.
    """

    title: str
    source: str
    worker: str
    needs: str
    command: str


# By the flag that says where a checkout is.
PEERS = {
    "peer": Peer(
        "official repository",
        SOURCE,
        "benchmarks.step.peer_worker",
        "torch",
        "pip install -c constraints.txt -e '.[convert]'",
    ),
    "keras_peer": Peer(
        "Keras port",
        "videoswin/backbone.py",
        "benchmarks.step.keras_peer_worker",
        "keras",
        "pip install -c constraints.txt keras",
    ),
}


def answer(step):
    """Answers every line of standard input with the seconds that a step takes."""
    for _ in sys.stdin:
        begin = time.perf_counter()
        step()
        print(time.perf_counter() - begin, flush=True)


def load_backbone(checkout):
    """The class `SwinTransformer3D` of a checkout; needs PyTorch.

    Args:
        checkout: the path of the repository.
    """
    import torch

    class DropPath(torch.nn.Module):
        """Stochastic depth: drops the branch of an example (Huang et al. 2016)."""

        def __init__(self, rate):
            super().__init__()
            self.keep = 1 - rate

        def forward(self, x):
            """Scales what is kept, so that the mean stays."""
            if not self.training:
                return x
            kept = torch.rand([len(x)] + [1] * (x.ndim - 1), device=x.device)
            return x * (kept < self.keep) / self.keep

    package, _, name = SOURCE.removesuffix(".py").replace("/", ".").rpartition(".")
    stubs = {
        "einops": {"rearrange": rearrange},
        "timm.models.layers": {
            "DropPath": DropPath,
            "trunc_normal_": torch.nn.init.trunc_normal_,
        },
        "mmcv.runner": {"load_checkpoint": None},
        "mmaction.utils": {"get_root_logger": None},
        "mmaction.models.builder": {"BACKBONES": Registry()},
        package: {},
    }
    for module, values in stubs.items():
        put_module(module, values)
    spec = importlib.util.spec_from_file_location(
        f"{package}.{name}", Path(checkout) / SOURCE
    )
    source = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(source)
    return source.SwinTransformer3D


class Registry:
    """Registers nothing."""

    def register_module(self):
        """A decorator that leaves a class as it is."""
        return lambda registered: registered


def rearrange(x, pattern):
    """Permutes axes, as in "n c d h w -> n d h w c"."""
    before, after = (side.split() for side in pattern.split("->"))
    return x.permute([before.index(axis) for axis in after])


def put_module(name, values):
    """Puts a module with some values, and the packages above it, among the imported."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        part = ".".join(parts[:length])
        module = sys.modules.setdefault(part, types.ModuleType(part))
        module.__path__ = []
    vars(module).update(values)
