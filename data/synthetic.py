"""Writes a small UCF101-shaped directory whose classes differ only in motion.

    python -m data.synthetic DIRECTORY

A random texture that wraps around at the frame's edges moves two pixels a frame, from
a random position on, in one of eight directions. Every class has the same textures, and
every position is as likely as any other. So no single frame tells the class, and frames
in a random order cannot tell a direction from its opposite. Train and test videos have
different groups and therefore different textures. Frames are coded one by one (MJPEG),
so that the compression does not tell the direction either.

Left and right are classes, so train on these videos with data.flip=False.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from configs.command.errors import ConfigError, StorageError
from configs.command.streams import protect
from configs.command.text import say
from configs.schema.paths import expand_path
from data.decoding.write import write_video

# Class -> (rows, columns) moved from one frame to the next, in steps.
MOTIONS = {
    "Down": (1, 0),
    "DownLeft": (1, -1),
    "DownRight": (1, 1),
    "Left": (0, -1),
    "Right": (0, 1),
    "Up": (-1, 0),
    "UpLeft": (-1, -1),
    "UpRight": (-1, 1),
}
SIZE = 32  # pixels, both sides
STEP = 2  # pixels
TRAIN_GROUPS = range(1, 21)
TEST_GROUPS = range(21, 26)
VIDEOS = 2  # of each class and group


def texture(generator):
    """Smooth coloured noise that wraps around at the frame's edges.

    Args:
        generator: NumPy's random generator.

    Returns:
        uint8 [SIZE, SIZE, 3].
    """
    noise = np.fft.fft2(generator.standard_normal((SIZE, SIZE, 3)), axes=(0, 1))
    wave = np.fft.fftfreq(SIZE, 1 / SIZE)
    distance = np.hypot(wave[:, None], wave[None, :])
    keep = np.exp(-((distance / 4.0) ** 2)) * (distance > 0)
    smooth = np.fft.ifft2(noise * keep[..., None], axes=(0, 1)).real
    smooth *= 56 / smooth.std()
    return np.clip(np.rint(smooth + 128), 0, 255).astype(np.uint8)


def video_frames(motion, generator):
    """The frames of a video in which a texture moves in one direction.

    Args:
        motion: (rows, columns) of the class, in steps.
        generator: NumPy's, decides texture, length and first position, in this order.

    Returns:
        uint8 [24–40 frames, SIZE, SIZE, 3].
    """
    picture = texture(generator)
    length = generator.integers(24, 41)
    start = generator.integers(SIZE, size=2)
    shifts = start + np.arange(length)[:, None] * STEP * np.array(motion)
    return np.stack([np.roll(picture, shift, axis=(0, 1)) for shift in shifts])


def write_dataset(directory, seed=0):
    """Writes all videos and lists; the same seed gives the same pictures.

    Args:
        directory: made if needed; gets UCF-101/ and ucfTrainTestlist/.
        seed: of the textures.
    """
    directory = Path(directory)
    lists = directory / "ucfTrainTestlist"
    lists.mkdir(parents=True, exist_ok=True)
    train, test = [], []
    for label, (name, motion) in enumerate(MOTIONS.items(), start=1):
        (directory / "UCF-101" / name).mkdir(parents=True, exist_ok=True)
        for group in (*TRAIN_GROUPS, *TEST_GROUPS):
            for clip in range(1, VIDEOS + 1):
                video = f"{name}/v_{name}_g{group:02}_c{clip:02}.avi"
                generator = np.random.default_rng([seed, group, clip])
                frames = video_frames(motion, generator)
                write_video(directory / "UCF-101" / video, frames)
                if group in TRAIN_GROUPS:
                    train.append(f"{video} {label}\n")
                else:
                    test.append(f"{video}\n")
    classes = [f"{label} {name}\n" for label, name in enumerate(MOTIONS, start=1)]
    (lists / "trainlist01.txt").write_text("".join(train), encoding="utf-8")
    (lists / "testlist01.txt").write_text("".join(test), encoding="utf-8")
    # Last, so that a directory with a class index is a complete one.
    (lists / "classInd.txt").write_text("".join(classes), encoding="utf-8")


def main():
    """Reads the directory from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m data.synthetic",
        description="Write a small UCF101-shaped directory of moving textures.",
    )
    parser.add_argument("directory")
    parser.add_argument("--seed", type=int, default=0, help="of the textures")
    arguments = parser.parse_args()
    try:
        directory = expand_path(arguments.directory, "DIRECTORY")
    except ConfigError as error:
        parser.error(str(error))
    try:
        write_dataset(directory, arguments.seed)
    except OSError as error:
        say(f"{directory} could not be written: {error}.", file=sys.stderr)
        sys.exit(StorageError.exit_code)
    videos = len(MOTIONS) * VIDEOS
    say(
        f"{directory}: {len(MOTIONS)} classes, "
        f"{videos * len(TRAIN_GROUPS)} training and "
        f"{videos * len(TEST_GROUPS)} test videos."
    )


if __name__ == "__main__":
    protect()
    main()
