"""Evaluations of videos that nobody has recorded."""

import types

import numpy as np

from model.evaluation.metrics import confusion_matrix
from model.evaluation.statistics import calibration

RESULT = {
    "views": 4,
    "source": "ucf101",
    "root": "UCF101",
    "split": 1,
    "frames": 16,
    "frame_sampling": "interval",
    "frame_interval": 2,
    "size": 32,
    "shuffle_frames": False,
    "clips": 2,
    "crops": 2,
    "precision": "float32",
    "step": 7,
    "versions": {"tensorflow": "2.21.0"},
}


def synthetic(names, videos, *, size=32, frames=16, right=0.8, noisy=False, **changes):
    """What `evaluation_page` takes besides a path and a config.

    Args:
        names: of the classes.
        videos: how many there are, of each class as many.
        size: of the clips.
        frames: of the clips.
        right: fraction of the videos that are predicted right, roughly.
        noisy: whether clips are noise, which no picture compresses; else a bright bar
            moves over them.
        changes: entries of the result.

    Returns:
        (result, confusion matrix, probabilities, clips).
    """
    generator = np.random.default_rng(0)
    classes = len(names)
    labels = np.arange(videos) % classes
    logits = generator.normal(size=(videos, classes))
    # Whoever is not right is mostly taken for the next class.
    shift = np.where(generator.random(videos) < right, 0, generator.integers(1, 4))
    logits[np.arange(videos), (labels + shift) % classes] += generator.uniform(
        3, 9, videos
    )
    mean = np.exp(logits)
    mean /= mean.sum(axis=1, keepdims=True)
    readable = np.ones(videos, bool)

    def centre_view(video):
        if noisy:
            shape = (frames, 3, size, size)
            return generator.integers(0, 256, shape, dtype=np.uint8)
        clip = np.full((frames, 3, size, size), 40, np.uint8)
        for time in range(frames):
            place = (video + time * size // frames) % size
            clip[time, video % 3, :, place : place + size // 4] = 230
        return clip

    clips = types.SimpleNamespace(
        test_videos=tuple(f"{names[label]}/{i}.avi" for i, label in enumerate(labels)),
        test_paths=(),
        test_labels=labels,
        class_names=tuple(names),
        centre_view=centre_view,
    )
    correct = mean.argmax(axis=1) == labels
    result = RESULT | {
        "top1": float(correct.mean()),
        "mean_class_accuracy": float(correct.mean()),
        "videos": videos,
        "classes": classes,
        "unreadable": [],
        "undecided": 0,
        "size": size,
        **calibration(mean, readable, labels),
        **changes,
    }
    matrix = confusion_matrix(mean, readable, labels)
    return (
        result,
        matrix,
        types.SimpleNamespace(mean=mean, readable=readable),
        clips,
    )
