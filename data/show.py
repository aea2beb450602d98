"""Writes what the model sees as pictures: look here first when a run does not learn.

    python -m data.show --config=ucf101_swin_tiny --data.root=UCF101 --workdir=runs/x
    python -m data.show --workdir=RUN

writes sheets/train.png, which shows the first training clips after augmentation, one in
each row, and sheets/test_1.png, …, which show all views of a few test videos. The
second command takes the options of a run.
"""

from pathlib import Path

from absl import flags, logging

from configs.command.flags import define, load_wanted, require_workdir
from configs.command.launch import run, start
from data import check_root

FLAGS = flags.FLAGS


def plan(_):
    """The `Experiment` whose clips are shown, if its data set is there; says which."""
    require_workdir()
    config, _ = load_wanted()
    check_root(config.data)
    logging.info("Showing clips of %s.", config.data.root)
    return config


if __name__ == "__main__":
    define()
    PLAN = start(plan, positional=False)  # What follows imports TensorFlow.

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from data import open_clips
from storage.files import write_atomically
from storage.pictures import drawn_as_they_are, label, png

COLUMNS = 8  # frames shown of each clip, evenly spaced
TRAIN_CLIPS, TEST_VIDEOS = 12, 3
INCHES = 1.4  # side of a frame


def write_sheets(clips, folder):
    """Writes the sheets of a data set.

    Args:
        clips: a `data.clips.Clips`.
        folder: where they are written; it is made if needed.

    Returns:
        list of the paths written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    sheets = {"train.png": _training_rows(clips)}
    chosen = np.linspace(0, clips.test_size - 1, TEST_VIDEOS).astype(int)
    for number, video in enumerate(dict.fromkeys(chosen.tolist()), start=1):
        sheets[f"test_{number}.png"] = _view_rows(clips, video)
    for name, rows in sheets.items():
        titles, shown = zip(*rows, strict=True)
        with drawn_as_they_are(titles):
            picture = png(contact_sheet(titles, shown), dpi=80)
        write_atomically(folder / name, picture)
    return [folder / name for name in sheets]


def contact_sheet(titles, rows):
    """A figure with one clip in each row.

    Args:
        titles: the text above each row.
        rows: uint8 [T, 3, size, size] of each clip.

    Returns:
        matplotlib Figure.
    """
    columns = min(COLUMNS, len(rows[0]))
    figure = Figure(
        figsize=(columns * INCHES, len(rows) * (INCHES + 0.25)), layout="constrained"
    )
    for axes, title, clip in zip(
        figure.subplots(len(rows), squeeze=False)[:, 0], titles, rows, strict=True
    ):
        picked = clip[np.linspace(0, len(clip) - 1, columns).astype(int)]
        gaps = ((0, 0), (0, 0), (0, 0), (0, 2))
        picked = np.pad(picked, gaps, constant_values=255)
        # [columns, 3, height, width] -> [height, columns * width, 3]
        strip = picked.transpose(2, 0, 3, 1).reshape(picked.shape[2], -1, 3)
        axes.imshow(strip)
        axes.set_title(title, fontsize=8, loc="left")
        axes.set_axis_off()
    return figure


def _training_rows(clips):
    """(title, clip) of the first training clips."""
    rows = []
    for features, labels, weights in clips.train(tf.distribute.get_strategy(), 0):
        for clip, video, number, weight in zip(
            features["clip"], features["video"], labels, weights, strict=True
        ):
            lost = "" if weight else ", could not be decoded"
            title = _title(clips.class_names[number], clips.train_videos[video])
            rows.append((title + lost, clip.numpy()))
        if len(rows) >= TRAIN_CLIPS:
            return rows[:TRAIN_CLIPS]


def _view_rows(clips, video):
    """(title, clip) of all views of one test video."""
    name = clips.class_names[clips.test_labels[video]]
    title = _title(name, clips.test_videos[video])
    views = clips.views_of(video)
    return [(f"{title}, view {i}", view) for i, view in enumerate(views)]


def _title(class_name, video):
    return f"{label(class_name)}: {label(Path(video).stem)}"


def main(config):
    """Writes the sheets of an `Experiment` into --workdir."""
    clips = open_clips(config.data, config.views, seed=config.seed)
    for path in write_sheets(clips, Path(FLAGS.workdir) / "sheets"):
        logging.info("%s", path)


if __name__ == "__main__":
    run(lambda _: main(PLAN), positional=False)
