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

from data import open_clips
from storage.contact_sheets import clip_title, contact_sheet_png
from storage.files import write_atomically

TRAIN_CLIPS, TEST_VIDEOS = 12, 3


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
        write_atomically(folder / name, contact_sheet_png(*zip(*rows, strict=True)))
    return [folder / name for name in sheets]


def _training_rows(clips):
    """(title, clip) of the first training clips."""
    return [(clip_title(*names), clip) for clip, *names in clips.first(TRAIN_CLIPS)]


def _view_rows(clips, video):
    """(title, clip) of all views of one test video."""
    name = clips.class_names[clips.test_labels[video]]
    title = clip_title(name, clips.test_videos[video])
    views = clips.views_of(video)
    return [(f"{title}, view {i}", view) for i, view in enumerate(views)]


def main(config):
    """Writes the sheets of an `Experiment` into --workdir."""
    clips = open_clips(config.data, config.views, seed=config.seed)
    for path in write_sheets(clips, Path(FLAGS.workdir) / "sheets"):
        logging.info("%s", path)


if __name__ == "__main__":
    run(lambda _: main(PLAN), positional=False)
