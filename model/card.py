"""The documentation page of a published SavedModel, in the form Hub and Kaggle take."""

from model.variants import RELEASED

PAGE = """\
# Module {name}

{summary}

<!-- asset-path: {name}.tar.gz -->
<!-- task: {task} -->
<!-- network-architecture: video-swin-transformer -->
<!-- dataset: {dataset} -->
<!-- fine-tunable: true -->
<!-- format: saved_model_2 -->
<!-- license: {licence} -->

## Overview

Video Swin Transformer ({reference}).
Attention within windows of {window} patches (frames x height x width) of {patch}
pixels; the windows of every second block are shifted.

| | |
|---|---|
| channels after patch embedding | {embed_dim} |
| blocks of each stage | {depths} |
| heads of each stage | {heads} |
| trained on | {training} |
| published accuracy | {accuracy} |
| origin | {origin} |
| source | `{source}`, SHA-256 `{source_sha256}` |

## Input and output

{interface}

## Use

```python
{example}
```

Fine-tuned by the application that wrote it, the handle is rebuilt as a native model
from `assets.extra/model.json`, for clips of any size.
"""
REFERENCE = "Liu et al., Video Swin Transformer, CVPR 2022, arXiv:2106.13230"
BACKBONE = """\
Input: {type} `{shape}`, RGB, {range} (mean {mean}, standard deviation {std}).
Output: float32 features `{output}`."""
CLASSIFIER = """\
Input: {type} `{shape}`, RGB, {range}; normalisation is inside.
Output: float32 probabilities `{output}`; the signature `serving_default` also gives the
class names."""
EXAMPLE = """\
layer = hub.KerasLayer("{name}", trainable=True)
{result} = layer(clips)  # {shape} -> {output}"""


def documentation(description):
    """The page as Markdown.

    Args:
        description: what `assets.extra/model.json` holds.
    """
    classifier = description["kind"] == "classifier"
    variant = RELEASED.get(description["name"])
    facts = {name: value for name, value in description["input"].items()}
    facts["output"] = description["output"]
    interface = (CLASSIFIER if classifier else BACKBONE).format(**facts)
    example = EXAMPLE.format(
        name=description["name"],
        result="probabilities" if classifier else "features",
        **facts,
    )
    training = "not stated"
    accuracy = "none"
    if variant:
        training = f"{variant.dataset}, from {variant.pretraining}"
        accuracy = (
            f"top-1 {variant.top1} %, top-5 {variant.top5} % ({variant.views} views), "
            "by the authors' implementation"
        )
    architecture = {
        name: " x ".join(map(str, value)) if name in ("window", "patch") else value
        for name, value in description["architecture"].items()
    }
    return PAGE.format(
        name=description["name"],
        summary="Classifies video clips."
        if classifier
        else "Features of video clips, for classification and fine-tuning.",
        task="video-classification" if classifier else "video-feature-extraction",
        dataset=variant.dataset.lower().replace(" ", "-") if variant else "custom",
        licence=description["licence"].lower(),
        reference=REFERENCE,
        training=training,
        accuracy=accuracy,
        origin=description["origin"],
        source=description["source"],
        source_sha256=description["source_sha256"],
        interface=interface,
        example=example,
        **architecture,
    )
