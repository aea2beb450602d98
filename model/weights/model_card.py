"""The documentation page of a published SavedModel, in the form Hub and Kaggle take."""

from configs.schema.protocol import Protocol, describe, unusual
from model.weights.example import program

TEMPLATE = """\
# Module {name}

{summary}

<!-- asset-path: {name}.tar.gz -->
<!-- task: {task} -->
<!-- network-architecture: {network} -->
<!-- dataset: {dataset} -->
<!-- fine-tunable: true -->
<!-- format: saved_model_2 -->
<!-- license: {licence} -->

## Overview

{overview}
| trained on | {training} |
| clips | {clips} |
| published accuracy | {accuracy} |{measured}
| origin | {origin} |
| source | `{source}`, SHA-256 `{source_sha256}` |

## Input and output

{interface}

## Use

{use}"""
LAYER = """```python
layer = hub.KerasLayer("{name}", trainable=True)
{result} = layer(clips)  # {shape} -> {output}
```
"""
ALONE = """\
With TensorFlow and OpenCV alone, from a video file to the most likely classes. It takes
the centred clip and square; the accuracy above may be of others, averaged.

```python
{program}```

To fine-tune it:

"""
VIDEO_SWIN = """\
Video Swin Transformer (Liu et al., CVPR 2022, arXiv:2106.13230).
Attention within windows of {window} patches (frames x height x width) of {patch}
pixels; the windows of every second block are shifted. The application that wrote it
rebuilds it as a native model, for clips of any size.

| | |
|---|---|
| channels after patch embedding | {embed_dim} |
| blocks of each stage | {depths} |
| heads of each stage | {num_heads} |"""
OTHER = """\
A backbone of another kind, with normalisation before and a classification head behind
it.

| | |
|---|---|"""
BACKBONE = """\
Input: {type} `{shape}`, RGB, {range} (mean {mean}, standard deviation {std}).
Output: float32 features `{output}`."""
CLASSIFIER = """\
Input: {type} `{shape}`: clips, frames, colours (RGB), height, width; {range}, as
normalisation is inside. The signature `channels_last` takes `[n, frames, height, width,
3]` instead.
Output: float32 probabilities `{output}`; the signatures also give the class `names`, in
the order of the probabilities, and `rows` gives them once more for each clip, as a
request of "instances" to TensorFlow Serving needs."""


def documentation(description):
    """The page as Markdown.

    Args:
        description: what `assets.extra/model.json` holds.
    """
    classifier = description["kind"] == "classifier"
    facts = description["input"] | {"output": description["output"]}
    architecture = description["architecture"]
    if classifier:
        summary = "Classifies video clips."
    else:
        summary = "Features of video clips, for classification and fine-tuning."
    return TEMPLATE.format(
        summary=summary,
        task="video-classification" if classifier else "video-feature-extraction",
        network="video-swin-transformer" if architecture else "other",
        overview=overview(architecture) if architecture else OTHER,
        interface=(CLASSIFIER if classifier else BACKBONE).format(**facts),
        use=use(description, facts),
        clips=clips(description),
        measured=measured(description.get("measured")),
        **training(description.get("training")),
        **{
            name: description[name]
            for name in ("name", "licence", "origin", "source", "source_sha256")
        },
    )


def use(description, facts):
    """How a program uses the model, ending in a block of Python.

    Args:
        description: see `documentation`.
        facts: what goes in and comes out.
    """
    layer = {"name": description["name"], **facts}
    if description["kind"] != "classifier":
        return LAYER.format(result="features", **layer)
    alone = ALONE.format(program=program(description))
    return alone + LAYER.format(result="probabilities", **layer)


def measured(result):
    """A row with what the model's own run measured; "" where it did not.

    Args:
        result: `measured` of the description; None where it says nothing.
    """
    if not result:
        return ""
    views = ", ".join(["{clips} x {crops} views".format(**result), *unusual(result)])
    sure = ""
    if result.get("top1_interval"):
        sure = " (95 % {:.4f}-{:.4f})".format(*result["top1_interval"])
    return (
        "\n| measured | top-1 {top1:.4f}{sure} on {videos} test videos of `{source}`, "
        "split {split}, {views} |"
    ).format(sure=sure, views=views, **result)


def overview(architecture):
    """What the architecture is, ending in the first rows of a table."""
    return VIDEO_SWIN.format(
        **architecture,
        window=" x ".join(map(str, architecture["window_size"])),
        patch=" x ".join(map(str, architecture["patch_size"])),
    )


def clips(description):
    """How the model is shown videos, as far as it is known."""
    parts = [describe(Protocol(**(description.get("protocol") or {})))]
    if "clip" in description:
        frames, height, width = description["clip"]
        parts.insert(0, f"{frames} frames of {height} x {width} pixels")
    return ", ".join(filter(None, parts)) or "not stated"


def training(known):
    """What a model was trained on and reached.

    Args:
        known: `training` of the description; None where it says nothing.
    """
    if known is None:
        return {"dataset": "custom", "training": "not stated", "accuracy": "none"}
    return {
        "dataset": known["dataset"].lower().replace(" ", "-"),
        "training": "{dataset}, from {pretraining}".format(**known),
        "accuracy": "top-1 {top1} %, top-5 {top5} % ({views} views), by the authors' "
        "implementation".format(**known),
    }
