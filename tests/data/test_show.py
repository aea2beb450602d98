import dataclasses
import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest

from configs.schema import Data, Views
from configs.schema.serialization import to_json
from configs.ucf101_mini import config
from data import open_clips
from data.show import contact_sheet, write_sheets


@pytest.fixture
def clips(counting_set):
    data = Data(root=str(counting_set), batch_size=4, frames=4, size=16)
    return open_clips(data, Views(clips=2, crops=3), seed=0)


def test_sheets_show_training_clips_and_test_views(clips, tmp_path):
    paths = write_sheets(clips, tmp_path / "run" / "sheets")

    assert [path.name for path in paths] == [
        "train.png",
        "test_1.png",
        "test_2.png",
        "test_3.png",
    ]
    for path in paths:
        picture = matplotlib.image.imread(path)
        assert picture.std() > 0.05, path


def test_sheet_has_a_titled_row_for_each_clip():
    clip = np.zeros((16, 3, 8, 8), np.uint8)
    clip[8:, 0] = 255

    figure = contact_sheet(["one", "two"], [clip, clip])

    assert [axes.get_title(loc="left") for axes in figure.axes] == ["one", "two"]
    strip = figure.axes[0].images[0].get_array()
    assert strip.shape[0] == 8
    np.testing.assert_array_equal(strip[0, 0], (0, 0, 0))
    np.testing.assert_array_equal(strip[0, -3], (255, 0, 0))


def test_command_writes_into_the_run_folder(counting_set, repository, tmp_path):
    subprocess.run(
        [
            *(sys.executable, "-m", "data.show", "--config=ucf101_mini"),
            *(f"--data.root={counting_set}", f"--workdir={tmp_path}"),
        ],
        cwd=repository,
        check=True,
    )

    assert (tmp_path / "sheets/train.png").is_file()


def test_a_run_is_shown_with_its_own_options(counting_set, repository, tmp_path):
    """Only its config says where the videos are."""
    data = dataclasses.replace(config().data, root=str(counting_set))
    own = dataclasses.replace(config(), data=data)
    (tmp_path / "config.json").write_text(to_json(own))
    command = [sys.executable, "-m", "data.show", f"--workdir={tmp_path}"]
    subprocess.run(command, cwd=repository, check=True)
    assert (tmp_path / "sheets/train.png").is_file()


def test_titles_are_no_formulas_and_stay_on_their_line(clips, tmp_path, monkeypatch):
    names = ("$5_to_$10^", "快\n\x1b[1m", "x" * 300)
    videos = tuple(f"a/{name}.{number}.avi" for number, name in enumerate(names))
    monkeypatch.setattr(clips, "class_names", names)
    monkeypatch.setattr(clips, "train_videos", videos * 4)
    monkeypatch.setattr(clips, "test_videos", videos * 4)

    assert len(write_sheets(clips, tmp_path)) == 4
