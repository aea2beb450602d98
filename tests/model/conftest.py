"""Small random weights in the official form, and files made of them."""

import math

import numpy as np
import pytest

from model.weights.architecture import official_shapes, to_native, to_state_dict

CLIP = (4, 24, 20)  # no multiple of patch and window


@pytest.fixture(scope="session")
def architecture():
    """A two-stage model whose shifted windows are partly padding."""
    return {
        "embed_dim": 8,
        "depths": (2, 1),
        "num_heads": (1, 2),
        "window_size": (2, 3, 3),
        "patch_size": (2, 4, 4),
    }


@pytest.fixture(scope="session")
def state(architecture):
    """The official state dict of that model with a head of 3 classes."""
    generator = np.random.default_rng(0)
    weights = {
        name: generator.normal(size=shape, scale=0.3).astype(np.float32)
        for name, shape in official_shapes(architecture, 3).items()
    }
    return to_state_dict(to_native(weights, architecture), architecture)


@pytest.fixture(scope="session")
def clips():
    """Two normalised clips [2, 3, frames, height, width] of size CLIP."""
    values = np.sin(np.arange(2 * 3 * math.prod(CLIP), dtype=np.float32))
    return values.reshape(2, 3, *CLIP)


@pytest.fixture
def npz(state, tmp_path):
    """The state dict as a `.npz` file."""
    path = tmp_path / "official.npz"
    np.savez(path, **state)
    return path


@pytest.fixture
def torch():
    """PyTorch, or a skip: it comes with the extra `convert`."""
    return pytest.importorskip("torch", reason="torch comes with the extra convert")
