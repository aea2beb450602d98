"""Small UCF101-shaped directories whose videos show which frame is which."""

import numpy as np

from data.decoding.write import write_video

CLASSES = ("Jump", "Run", "Walk")
BRIGHTNESS = 5  # of frame n: 5 n, so that a decoded pixel tells the frame


def counting_frames(count, height=24, width=32):
    """uint8 [count, height, width, 3]: grey frames of brightness 5 n."""
    levels = (np.arange(count) * BRIGHTNESS).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3))


def decoded_numbers(clip):
    """Frame numbers of a decoded clip [..., T, 3, H, W] of `counting_frames`."""
    return np.rint(clip.mean(axis=(-3, -2, -1)) / BRIGHTNESS).astype(int)


def write_lists(folder, train, test, classes=CLASSES):
    """Writes classInd.txt, trainlist01.txt and testlist01.txt from lines."""
    folder.mkdir(parents=True, exist_ok=True)
    index = [f"{label} {name}" for label, name in enumerate(classes, start=1)]
    for name, lines in (
        ("classInd.txt", index),
        ("trainlist01.txt", train),
        ("testlist01.txt", test),
    ):
        text = "".join(f"{line}\n" for line in lines)
        (folder / name).write_text(text, encoding="utf-8")


def write_counting_set(root):
    """Writes 11 training and 4 test videos of 3 classes, 12–28 frames of 24 x 32."""
    train, test = [], []
    for label, name in enumerate(CLASSES, start=1):
        (root / "UCF-101" / name).mkdir(parents=True)
        for group in range(1, 7):
            video = f"{name}/v_{name}_g{group:02}_c01.avi"
            if (label, group) == (1, 1) or (group == 6 and label > 1):
                continue
            frames = counting_frames(10 + 2 * label + 2 * group)
            write_video(root / "UCF-101" / video, frames)
            if group < 5:
                train.append(f"{video} {label}")
            else:
                test.append(video)
    write_lists(root / "ucfTrainTestlist", train, test)


def make_different(folder):
    """Makes every video below a folder differ from all others, in bytes behind it."""
    for number, path in enumerate(sorted(folder.rglob("*.avi"))):
        path.write_bytes(path.read_bytes() + bytes([number]))
