"""Names and layouts of the official PyTorch state dict, and ours, in both directions.

Official names are those of mmaction checkpoints: `backbone.layers.0.blocks.1.…` and
`cls_head.fc_cls.…`. Ours are paths of variables: `stage_0_1/…` and `head/…`.
"""

import numpy as np

PATCH_EMBEDDING = {
    "kernel": "proj.weight",
    "bias": "proj.bias",
    "norm/gamma": "norm.weight",
    "norm/beta": "norm.bias",
}
BLOCK = {
    "norm1/gamma": "norm1.weight",
    "norm1/beta": "norm1.bias",
    "attention/relative_position_bias_table": "attn.relative_position_bias_table",
    "attention/qkv/kernel": "attn.qkv.weight",
    "attention/qkv/bias": "attn.qkv.bias",
    "attention/projection/kernel": "attn.proj.weight",
    "attention/projection/bias": "attn.proj.bias",
    "norm2/gamma": "norm2.weight",
    "norm2/beta": "norm2.bias",
    "fc1/kernel": "mlp.fc1.weight",
    "fc1/bias": "mlp.fc1.bias",
    "fc2/kernel": "mlp.fc2.weight",
    "fc2/bias": "mlp.fc2.bias",
}
MERGING = {
    "reduction/kernel": "reduction.weight",
    "norm/gamma": "norm.weight",
    "norm/beta": "norm.bias",
}
NORM = {"gamma": "weight", "beta": "bias"}
HEAD = {"head/kernel": "cls_head.fc_cls.weight", "head/bias": "cls_head.fc_cls.bias"}


def official_names(depths):
    """Official names of all backbone weights by our path, in the order of computation.

    Args:
        depths: blocks of each stage.
    """
    names = scope("patch_embedding", PATCH_EMBEDDING, "backbone.patch_embed")
    for stage, depth in enumerate(depths):
        layer = f"backbone.layers.{stage}"
        for block in range(depth):
            names |= scope(f"stage_{stage}_{block}", BLOCK, f"{layer}.blocks.{block}")
        if stage + 1 < len(depths):
            names |= scope(f"merging_{stage}", MERGING, f"{layer}.downsample")
    return names | scope("norm", NORM, "backbone.norm")


def scope(ours, table, official):
    """A table with a prefix on either side."""
    return {f"{ours}/{name}": f"{official}.{other}" for name, other in table.items()}


def from_official(value):
    """An official tensor in our layout.

    Linear [out, in] -> [in, out]; patch convolution [E, 3, t, h, w] -> [t, 3, h, w, E].
    Only these change, so a bias table must not pass here (see `is_kernel`).
    """
    return value.T if value.ndim == 2 else np.transpose(value, (2, 1, 3, 4, 0))


def to_official(value):
    """The inverse of `from_official`."""
    return value.T if value.ndim == 2 else np.transpose(value, (4, 1, 0, 2, 3))


def is_kernel(path):
    """Whether a weight changes its layout between PyTorch and here."""
    return path.endswith("kernel")
