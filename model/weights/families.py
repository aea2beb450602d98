"""Which project wrote a checkpoint, told by names, and its tensors' official names.

Every family computes the same and names it in its own way. A wrapper (`module.`,
`_orig_mod.`, Lightning's `model.`, a recogniser's `backbone.`) puts a prefix before the
names; whatever it is, it ends where the names of a family begin.
"""

import dataclasses
import re
from collections.abc import Callable

from absl import logging

from configs.command.errors import ConfigError
from model.weights.names import HEAD_NAMES
from model.weights.translation import (
    from_hugging_face,
    from_mmpretrain,
    from_official_kin,
    from_torchvision,
    renamed,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """How one kind of project names the tensors of a Swin Transformer.

    Attributes:
        title: for messages.
        attention: a pattern that names within attention begin with; its group `root` is
            what stands before the names of the backbone.
        heads: what weight and bias of the classification head may be called.
        translate: from tensors of the backbone by this family's names, without root, to
            tensors by official names, without `backbone.`.
    """

    title: str
    attention: re.Pattern
    heads: tuple[str, ...]
    translate: Callable


FAMILIES = (
    Family(
        title="the official repository, mmaction2, Microsoft's Swin or timm",
        attention=re.compile(r"(?P<root>.*?)layers\.\d+\.blocks\.\d+\.attn\."),
        heads=("cls_head.fc_cls.", "head.fc.", "head."),
        translate=from_official_kin,
    ),
    Family(
        title="torchvision",
        attention=re.compile(r"(?P<root>.*?)features\.\d+\.\d+\.attn\."),
        heads=("head.",),
        translate=from_torchvision,
    ),
    Family(
        title="Hugging Face's transformers",
        attention=re.compile(
            r"(?P<root>.*?)encoder\.layers\.\d+\.blocks\.\d+\.attention\."
        ),
        heads=("classifier.",),
        translate=from_hugging_face,
    ),
    Family(
        title="mmpretrain or mmdetection",
        attention=re.compile(r"(?P<root>.*?)stages\.\d+\.blocks\.\d+\.attn\.w_msa\."),
        heads=("head.fc.",),
        translate=from_mmpretrain,
    ),
)
KNOWN = (
    "Video Swin of the official repository, mmaction2 or torchvision, or 2D Swin of "
    "Microsoft, timm, torchvision, Hugging Face, mmpretrain or mmdetection"
)
# What other networks call their tensors; the first pattern that is found anywhere.
STRANGERS = (
    (r"logit_scale|cpb_mlp", "a Swin V2, whose attention is another"),
    (r"pool_[qkv]\.|\.project_[qkv]|attn\.rel_pos", "a MViT"),
    (r"encoder[._]layers?[._]\d|encoder_layer|(^|\.)blocks\.\d", "a transformer"),
    (r"layer\d\.\d+\.(conv|downsample)", "a residual network"),
    (r"(^|\.)(exp_avg|momentum_buffer|param_groups)", "the state of an optimizer"),
)
# Kept beside the model by losses, preprocessors and averages.
BESIDE = re.compile(
    r"(?:.*\.)?(?:(?:data_preprocessor|criterion|loss|loss_fn|loss_function)\..*|"
    r"n_averaged|num_updates|steps)"
)


# What wrappers of single modules put anywhere into a name; no module is called so.
WITHIN = re.compile(
    r"(^|\.)(?:_orig_mod|_checkpoint_wrapped_module|_fsdp_wrapped_module)(?=\.)"
)


def to_official_names(tensors, source):
    """Tensors of any known family by official name, with `backbone.` and `cls_head.`.

    What is neither backbone nor head keeps its name: it does not fit, and is listed
    where the model is built.

    Args:
        tensors: by the names that a file gives them.
        source: the file, for messages.

    Raises:
        ConfigError: no family is known that has such names, or there are several models
            or several heads.
    """
    tensors = renamed(tensors, lambda name: WITHIN.sub("", name).lstrip("."))
    family, root = recognise(tensors, source)
    behind = f", behind {root!r}" if root else ""
    logging.info("%s has names of %s%s.", source, family.title, behind)
    backbone = {
        name.removeprefix(root): value
        for name, value in tensors.items()
        if name.startswith(root)
    }
    head, head_names = find_head(family, root, tensors, source)
    for name in head_names:
        backbone.pop(name.removeprefix(root), None)
    found = {
        f"backbone.{name}": value for name, value in family.translate(backbone).items()
    }
    others = {
        name: value
        for name, value in tensors.items()
        if not name.startswith(root) and name not in head_names
    }
    left_out = [name for name in (*found, *others) if BESIDE.fullmatch(name)]
    if left_out:
        logging.warning("%s: left out: %s.", source, ", ".join(left_out))
    return {
        name: value
        for name, value in (found | others | head).items()
        if name not in left_out
    }


def recognise(tensors, source):
    """The family of a checkpoint's names and the prefix that stands before them.

    Raises:
        ConfigError: there is none, or more than one.
    """
    if any(re.search(STRANGERS[0][0], name) for name in tensors):
        raise unknown(tensors, source)
    found = {
        (family.title, match["root"]): family
        for family in FAMILIES
        for match in map(family.attention.match, tensors)
        if match
    }
    if not found:
        raise unknown(tensors, source)
    if len(found) > 1:
        roots = sorted(f"{root}…" for _, root in found)
        raise ConfigError(
            f"The checkpoint must hold one model; {str(source)!r} holds several: "
            f"{', '.join(roots)}. Save the state dict of the one that is meant."
        )
    ((_, root), family) = found.popitem()
    return family, root


def find_head(family, root, tensors, source):
    """Weight and bias of the classification head by official name, and their names.

    Raises:
        ConfigError: there is more than one head.
    """
    parents = dict.fromkeys((root, re.sub(r"[^.]+\.$", "", root)))
    heads = [
        parent + head
        for parent in parents
        for head in family.heads
        if f"{parent}{head}weight" in tensors
    ]
    if len(heads) > 1:
        raise ConfigError(
            f"The checkpoint must hold one head; {str(source)!r} holds "
            f"{', '.join(f'{head}weight' for head in heads)}."
        )
    names = [
        (official, f"{head}{official.rpartition('.')[2]}")
        for head in heads
        for official in HEAD_NAMES.values()
    ]
    head = {official: tensors[name] for official, name in names if name in tensors}
    return head, {name for _, name in names}


def unknown(tensors, source):
    """The error that says which families are known and what a file looks like."""
    names = list(tensors)
    kinds = (
        kind
        for pattern, kind in STRANGERS
        if any(re.search(pattern, name) for name in names)
    )
    kind = next(kinds, "none of them")
    shown = [f"{name} {list(tensors[name].shape)}" for name in names[:3]]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ConfigError(
        f"The checkpoint must be a {KNOWN}; {str(source)!r} looks like {kind}: "
        f"{', '.join(shown) or 'no tensors'}{more}."
    )
