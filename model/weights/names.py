"""Names and layouts of the official PyTorch state dict, and ours, in both directions.

Official names are those of mmaction checkpoints: `backbone.layers.0.blocks.1.…` and
`cls_head.fc_cls.…`. Ours are paths of variables: `stage_0_1/…` and `head/…`.
"""

import numpy as np

from configs.command.errors import ConfigError

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
PATCH_KERNEL = "backbone.patch_embed.proj.weight"
HEAD_NAMES = {
    "head/kernel": "cls_head.fc_cls.weight",
    "head/bias": "cls_head.fc_cls.bias",
}


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


def index_names(depths):
    """Official names of the index tables, which follow from the window alone."""
    return [
        f"backbone.layers.{stage}.blocks.{block}.attn.relative_position_index"
        for stage, depth in enumerate(depths)
        for block in range(depth)
    ]


def scope(ours, table, official):
    """A table of names with a prefix added on either side."""
    return {f"{ours}/{name}": f"{official}.{other}" for name, other in table.items()}


def from_official(path, value):
    """Changes a tensor from the official layout to ours.

    Linear kernels [out, in] -> [in, out], the patch convolution's
    [E, 3, t, h, w] -> [t, 3, h, w, E]; every other tensor stays as it is.
    """
    if not path.endswith("kernel"):
        return value
    return value.T if value.ndim == 2 else np.transpose(value, (2, 1, 3, 4, 0))


def to_official(path, value):
    """The inverse of `from_official`."""
    if not path.endswith("kernel"):
        return value
    return value.T if value.ndim == 2 else np.transpose(value, (4, 1, 0, 2, 3))


def require_same_shapes(expected, found):
    """Raises ConfigError with a two-sided list unless names and shapes are the same.

    Args:
        expected: shapes by name, of the model.
        found: shapes by name, of the checkpoint.
    """
    lines = []
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            lines.append(f"- {name} {list(expected[name])} is missing")
        elif name not in expected:
            lines.append(f"+ {name} {list(found[name])} is not known")
        elif tuple(expected[name]) != tuple(found[name]):
            lines.append(
                f"! {name} must be {list(expected[name])}; received {list(found[name])}"
            )
    if lines:
        raise ConfigError("The checkpoint must fit the model:\n" + "\n".join(lines))
