"""The names of other projects' Swin Transformers as official ones.

All functions take and give tensors of the backbone alone: without wrappers' prefixes,
without `backbone.` and without the head.
"""

import re

import numpy as np
from absl import logging

from configs.command.errors import ConfigError

HUGGING_FACE_BLOCK = r"encoder\.(layers\.\d+\.blocks\.\d+)\."
HUGGING_FACE = (
    (r"embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"embeddings\.norm\.", "patch_embed.norm."),
    (HUGGING_FACE_BLOCK + r"layernorm_before\.", r"\1.norm1."),
    (HUGGING_FACE_BLOCK + r"layernorm_after\.", r"\1.norm2."),
    (HUGGING_FACE_BLOCK + r"intermediate\.dense\.", r"\1.mlp.fc1."),
    (HUGGING_FACE_BLOCK + r"output\.dense\.", r"\1.mlp.fc2."),
    # Files first; the second name is that of a model in memory, from version 5 on.
    (HUGGING_FACE_BLOCK + r"attention\.(?:output\.dense|o_proj)\.", r"\1.attn.proj."),
    (
        HUGGING_FACE_BLOCK + r"attention\.(?:self|relative_position_bias)\."
        r"relative_position_",
        r"\1.attn.relative_position_",
    ),
    (HUGGING_FACE_BLOCK + r"attention\.self\.(query|key|value)\.", r"\1.attn.\2."),
    (HUGGING_FACE_BLOCK + r"attention\.q_proj\.", r"\1.attn.query."),
    (HUGGING_FACE_BLOCK + r"attention\.k_proj\.", r"\1.attn.key."),
    (HUGGING_FACE_BLOCK + r"attention\.v_proj\.", r"\1.attn.value."),
    (r"encoder\.", ""),
    (r"layernorm\.", "norm."),
)
MMPRETRAIN_BLOCK = r"stages\.(\d+\.blocks\.\d+)\."
MMPRETRAIN = (
    (r"patch_embed\.projection\.", "patch_embed.proj."),
    (MMPRETRAIN_BLOCK + r"attn\.w_msa\.", r"layers.\1.attn."),
    (MMPRETRAIN_BLOCK + r"ffn\.layers\.0\.0\.", r"layers.\1.mlp.fc1."),
    (MMPRETRAIN_BLOCK + r"ffn\.layers\.1\.", r"layers.\1.mlp.fc2."),
    (r"stages\.", "layers."),
)
TORCHVISION = (
    # Of the 2D models; the 3D ones have the official names here.
    (r"features\.0\.0\.(weight|bias)$", r"patch_embed.proj.\1"),
    (r"features\.0\.2\.(weight|bias)$", r"patch_embed.norm.\1"),
)
TORCHVISION_BLOCK = (
    (r"(layers\.\d+\.blocks\.\d+)\.mlp\.0\.", r"\1.mlp.fc1."),
    (r"(layers\.\d+\.blocks\.\d+)\.mlp\.3\.", r"\1.mlp.fc2."),
)
NUMBER = r"(\d{1,3})"  # of more digits than any stage has, a name is not known
STAGE = re.compile(rf"layers\.{NUMBER}\.")
STAGE_NORM = re.compile(rf"norm{NUMBER}\.(?:weight|bias)")
MERGING = re.compile(rf"layers\.{NUMBER}\.downsample\.")


def from_official_kin(tensors):
    """Names of the official repository, mmaction2, Microsoft's 2D Swin and timm.

    mmaction2 1.x numbers the last norm by its stage. timm, from 0.9 on, keeps the
    merging at the beginning of the stage that follows.
    """
    return merging_at_the_end(last_norm(tensors))


def from_torchvision(tensors):
    """Names of torchvision's `swin3d_*` and `swin_*`.

    Stages and mergings are numbered in one row, `features.0`, `features.1`, …; in the
    2D models the patch embedding comes first.
    """
    first = 0 if "patch_embed.proj.weight" in tensors else 1

    def in_stages(match):
        stage, merging = divmod(int(match[1]) - first, 2)
        return f"layers.{stage}.{'downsample' if merging else 'blocks'}."

    numbered = renamed(
        renamed(tensors, first_of(TORCHVISION)),
        lambda name: re.sub(rf"^features\.{NUMBER}\.", in_stages, name),
    )
    return renamed(numbered, first_of(TORCHVISION_BLOCK))


def from_hugging_face(tensors):
    """Names of Hugging Face's 2D Swin; query, key and value become one tensor."""
    return fused(renamed(tensors, first_of(HUGGING_FACE)))


def from_mmpretrain(tensors):
    """Names of mmpretrain's and mmdetection's 2D Swin.

    Their merging gathers the four neighbours by `nn.Unfold`, channel by channel and row
    by row; the official one neighbour by neighbour and column by column.
    """
    official = last_norm(renamed(tensors, first_of(MMPRETRAIN)))
    for name, value in official.items():
        if ".downsample." in name:
            official[name] = neighbour_by_neighbour(value)
    return official


def renamed(tensors, rename):
    """Tensors under new names.

    Raises:
        ConfigError: two tensors get one name.
    """
    result = {}
    for name, value in tensors.items():
        new = rename(name)
        if new in result:
            raise ConfigError(f"The checkpoint must hold {new} once; {name} is it too.")
        result[new] = value
    return result


def first_of(table):
    """A function that renames by the first pattern which fits a name's beginning.

    Args:
        table: (pattern, replacement) pairs; a name that none fits stays.
    """

    def rename(name):
        for pattern, replacement in table:
            new, changed = re.subn(f"^{pattern}", replacement, name)
            if changed:
                return new
        return name

    return rename


def stages(tensors):
    """How many stages there are."""
    found = (match for match in map(STAGE.match, tensors) if match)
    return 1 + max((int(match[1]) for match in found), default=0)


def last_norm(tensors):
    """Calls the norm behind the last stage `norm`; those behind other stages go.

    mmaction2 and mmpretrain number norms by their stages.
    """
    last = f"norm{stages(tensors) - 1}."
    others = [
        name
        for name in tensors
        if STAGE_NORM.fullmatch(name) and not name.startswith(last)
    ]
    if others:
        logging.warning("Norms of other stages are left out: %s.", ", ".join(others))
    kept = {name: value for name, value in tensors.items() if name not in others}
    return renamed(kept, first_of(((re.escape(last), "norm."),)))


def merging_at_the_end(tensors):
    """Gives each merging to the stage before it, where it is the next stage's."""
    numbers = {int(match[1]) for match in map(MERGING.match, tensors) if match}
    if 0 in numbers or stages(tensors) - 1 not in numbers:
        return tensors
    return renamed(tensors, lambda name: MERGING.sub(one_before, name))


def one_before(match):
    """The name of a merging, by its match, as the stage's before it."""
    return f"layers.{int(match[1]) - 1}.downsample."


def fused(tensors):
    """Puts query, key and value on top of one another as `qkv`, where all are there."""
    result = dict(tensors)
    for name in tensors:
        if ".attn.query." not in name:
            continue
        parts = [name.replace("query", part) for part in ("query", "key", "value")]
        found = [tensors[part].shape for part in parts if part in tensors]
        if len(found) == len(parts) and found[0] and len(set(found)) == 1:
            result[name.replace("query", "qkv")] = np.concatenate(
                [result.pop(part) for part in parts]
            )
    return result


def neighbour_by_neighbour(value):
    """Reorders the last axis of a merging's tensor, 4 C values.

    From [C, row, column] to [column, row, C]. One of another size stays, and is refused
    where the model is built.
    """
    if not value.ndim or value.shape[-1] % 4:
        return value
    grouped = value.reshape(*value.shape[:-1], -1, 2, 2)
    return np.moveaxis(grouped, (-3, -2, -1), (-1, -2, -3)).reshape(value.shape)
