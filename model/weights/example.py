"""The program on a model's page: from a video file to class names."""

PROGRAM = '''\
import sys

import cv2
import numpy as np
import tensorflow as tf

FRAMES, SIZE = {frames}, {size}


def frame_numbers(count):
    """{which}"""
{numbers}


def read_clip(path):
    """uint8 [FRAMES, 3, SIZE, SIZE], RGB: the centred square of each frame."""
    video, frames = cv2.VideoCapture(path), []
    while (frame := video.read()[1]) is not None:
        frames.append(frame)
    clip = []
    for number in frame_numbers(len(frames)):
        height, width, _ = frames[number].shape
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = frames[number][top : top + side, left : left + side]
        square = cv2.resize(square, (SIZE, SIZE))[..., ::-1]  # BGR to RGB
        clip.append(square.transpose(2, 0, 1))
    return np.stack(clip)


model = tf.saved_model.load("{name}")
clips = tf.constant(read_clip(sys.argv[1])[None])  # {shape}
result = model.signatures["serving_default"](clip=clips)
probabilities = result["probabilities"][0].numpy()
for label in np.argsort(-probabilities)[:5]:
    name = result["names"][label].numpy().decode()
    print(f"{{probabilities[label]:.3f}}  {{name}}")
'''
INTERVAL = (
    "Frames at an interval of {interval}, from the middle of a video of so many.",
    """\
    start = max(count - FRAMES * {interval} + 1, 0) // 2
    return (start + np.arange(FRAMES) * {interval}) % count""",
)
SEGMENTS = (
    "The middles of as many equal segments of a video of so many frames.",
    """\
    ends = np.rint((count - 1) / FRAMES * np.arange(FRAMES + 1)).astype(int)
    return (ends[:-1] + ends[1:]) // 2""",
)
# A folder may be called by what would end a string of Python.
QUOTED = str.maketrans({'"': '\\"', "\\": "\\\\"})
USUAL_INTERVAL = 2  # where a model does not say it, as the options' default


def program(description):
    """A Python program that needs TensorFlow and OpenCV alone.

    It takes the one clip and square that an evaluation with 1 x 1 views takes by the
    official rule (`data.sampling`), of frames as OpenCV decodes them.

    Args:
        description: what `assets.extra/model.json` holds, of a classifier.
    """
    protocol = description.get("protocol") or {}
    frames, size, _ = description["clip"]
    segments = protocol.get("frame_sampling") == "segments"
    which, numbers = SEGMENTS if segments else INTERVAL
    interval = protocol.get("frame_interval") or USUAL_INTERVAL
    return PROGRAM.format(
        frames=frames,
        size=size,
        which=which.format(interval=interval),
        numbers=numbers.format(interval=interval),
        name=description["name"].translate(QUOTED),
        shape=description["input"]["shape"],
    )
