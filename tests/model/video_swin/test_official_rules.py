"""Clips and windows of every awkward kind, against the official rules in PyTorch.

`official_outputs.npz` holds the features that a PyTorch transcription of the official
file mmaction/models/backbones/swin_transformer.py gives for the weights and clips made
here. (Outputs of the official code itself are compared in test_backbone.py.)
"""

from pathlib import Path

import numpy as np
import pytest

from model.video_swin.backbone import VideoSwin
from model.weights.architecture import official_shapes, to_native

# name: (window size, (frames, height, width))
CASES = {
    "sides are multiples of nothing": ((2, 3, 3), (9, 37, 50)),
    "fewer frames than the window": ((8, 3, 3), (5, 33, 41)),
    "smaller than the window all over": ((8, 7, 7), (3, 20, 24)),
    "more frames than a window of 16": ((16, 2, 3), (40, 18, 26)),
    "lower than the window": ((4, 7, 3), (12, 24, 40)),
    "as large as the window": ((4, 3, 3), (8, 12, 24)),
    "a window of one frame": ((1, 4, 5), (6, 35, 27)),
}


def example(name):
    """Architecture, official weights and a clip [1, frames, 3, height, width]."""
    window, (frames, height, width) = CASES[name]
    architecture = {
        "embed_dim": 8,
        "depths": (2, 2),
        "num_heads": (1, 2),
        "window_size": window,
        "patch_size": (2, 4, 4),
    }
    generator = np.random.default_rng(len(name))
    weights = {
        key: generator.normal(size=shape, scale=0.3).astype(np.float32)
        for key, shape in sorted(official_shapes(architecture, None).items())
    }
    clip = generator.normal(size=(1, frames, 3, height, width)).astype(np.float32)
    return architecture, weights, clip


@pytest.mark.parametrize("name", CASES)
def test_features_are_the_official_ones(name):
    architecture, weights, clip = example(name)
    with np.load(Path(__file__).with_name("official_outputs.npz")) as outputs:
        expected = outputs[name]
    backbone = VideoSwin(**architecture)
    backbone.assign_weights(to_native(weights, architecture))
    np.testing.assert_allclose(backbone(clip), expected, rtol=0, atol=5e-6)
