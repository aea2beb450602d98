import dataclasses
import subprocess
import sys

import matplotlib.image
import pytest

from configs.schema import Data, Views
from configs.schema.serialization import to_json
from configs.ucf101_mini import config
from data import open_clips
from data.show import write_sheets


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
