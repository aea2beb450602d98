"""The test videos that are worth a look: sure mistakes, and hits that were close."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from model.evaluation.metrics import predictions
from storage.pages import jpeg_url
from storage.pictures import jpeg

MISTAKES, HITS = 12, 6  # at most
FRAMES, SIDE = 8, 128  # of a strip, at most; the side of a frame in pixels
# Bytes of a strip as a file, and the qualities that are tried until one has no more.
LARGEST, QUALITIES = 48 * 1024, (80, 60, 40, 20)


@dataclasses.dataclass(frozen=True)
class Example:
    """One video of the gallery.

    Attributes:
        name: of the video, as listed.
        link: address of its file; None where it is no file of this machine.
        label: its class.
        label_probability: what the model gave that class.
        prediction: the most likely class.
        probability: what the model gave that one.
        strip: address of the frames side by side; None where they cannot be read.
        frames: how many these are.
    """

    name: str
    link: str | None
    label: str
    label_probability: float
    prediction: str
    probability: float
    strip: str | None
    frames: int

    @property
    def is_hit(self):
        """Whether it is predicted right."""
        return self.label == self.prediction


def gallery(probabilities, clips):
    """Examples with their pictures.

    Args:
        probabilities: `mean` and `readable`, as `scores` takes them.
        clips: its `test_videos`, `test_paths`, `test_labels`, `class_names` and
            `centre_view`.

    Returns:
        The most confident mistakes, the surest first, and the least certain hits, the
        closest first: two lists of `Example`.
    """
    mistakes, hits = choose(
        probabilities.mean, probabilities.readable, clips.test_labels
    )
    return tuple(
        [_example(video, probabilities.mean[video], clips) for video in videos]
        for videos in (mistakes, hits)
    )


def choose(mean, readable, labels):
    """Which videos to show; videos without a prediction are neither.

    Args:
        mean: float [videos, classes], averaged over the views.
        readable: bool [videos].
        labels: int [videos].

    Returns:
        Indices of at most MISTAKES wrong predictions, the most probable first, and of
        at most HITS right ones, the least probable first. Equals are in the order of
        the list.
    """
    likely = predictions(mean, readable)
    highest = mean.max(axis=1)
    wrong = np.flatnonzero((likely >= 0) & (likely != labels))
    right = np.flatnonzero(likely == labels)
    surest = wrong[np.argsort(-highest[wrong], kind="stable")]
    closest = right[np.argsort(highest[right], kind="stable")]
    return surest[:MISTAKES].tolist(), closest[:HITS].tolist()


def strip(clip):
    """A few frames of a clip side by side, small enough for a page.

    Args:
        clip: uint8 [T, 3, size, size].

    Returns:
        The bytes of a JPEG file of at most FRAMES square frames, and how many they are.
    """
    frames = min(FRAMES, len(clip))
    shown = clip[np.linspace(0, len(clip) - 1, frames).astype(int)]
    factor = -(-shown.shape[-1] // SIDE)  # Means over squares of so many pixels.
    side = shown.shape[-1] // factor
    shown = shown[..., : side * factor, : side * factor]
    squares = shown.reshape(frames, 3, side, factor, side, factor)
    small = squares.mean(axis=(3, 5)).round().astype(np.uint8)
    # [frames, 3, side, side] -> [side, frames * side, 3]
    picture = small.transpose(2, 0, 3, 1).reshape(side, frames * side, 3)
    for quality in QUALITIES:
        content = jpeg(picture, quality=quality)
        if len(content) <= LARGEST:
            break
    return content, frames


def file_url(path):
    """The address of a file or folder of this machine; None where there is none."""
    if not os.path.exists(path):
        return None
    return Path(os.path.abspath(path)).as_uri()


def _example(video, row, clips):
    names, label = clips.class_names, clips.test_labels[video]
    best = row.argmax()
    clip = clips.centre_view(video)
    content, frames = (None, 0) if clip is None else strip(clip)
    return Example(
        name=clips.test_videos[video],
        link=file_url(clips.test_paths[video]) if clips.test_paths else None,
        label=names[label],
        label_probability=float(row[label]),
        prediction=names[best],
        probability=float(row[best]),
        strip=content and jpeg_url(content),
        frames=frames,
    )
