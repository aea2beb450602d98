import dataclasses
import shutil
import subprocess
import sys

import pytest

from configs.demo import config as demo
from configs.schema import Data
from configs.schema.serialization import to_json
from data.scan.__main__ import main


@pytest.fixture
def root(counting_set, tmp_path):
    return shutil.copytree(counting_set, tmp_path / "set")


def test_good_set_is_described(root, capsys):
    assert main([str(root)]) == 0

    shown = capsys.readouterr().out.splitlines()
    table = {line[:32].strip(): line[32:].strip() for line in shown}
    assert table["videos"] == "15" and table["bad"] == "0"
    assert table["size 32 x 24"] == table["codec MJPG"] == "15"
    assert (table["frames, least"], table["frames, most"]) == ("16", "26")


def test_bad_videos_are_named_and_decide_the_exit_code(root, capsys):
    name = "Run/v_Run_g02_c01.avi"
    (root / "UCF-101" / name).write_bytes(b"nothing")

    assert main([str(root)]) == 3
    assert f"bad: '{name}' holds no video" in capsys.readouterr().out
    assert main([str(root), "--max_bad_fraction=0.1"]) == 0
    (root / "UCF-101" / name).unlink()
    assert main([str(root)]) == 3
    assert "line 5: Run/v_Run_g02_c01.avi" in capsys.readouterr().err


def test_folders_lists_and_runs_are_scanned(root, tmp_path, capsys):
    videos = str(root / "UCF-101")
    listed = tmp_path / "list.csv"
    listed.write_text("Run/v_Run_g02_c01.avi,0\nWalk/v_Walk_g02_c01.avi,1\n")
    assert main([videos, "--source=folder"]) == 0
    assert "videos                                15" in capsys.readouterr().out
    assert main([videos, "--source=list", f"--train_list={listed}"]) == 0
    assert "videos                                 2" in capsys.readouterr().out
    config = dataclasses.replace(demo(), data=Data(root=videos, source="folder"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(to_json(config))
    assert main([f"--workdir={tmp_path / 'run'}"]) == 0
    assert "videos                                15" in capsys.readouterr().out
    assert main([f"--workdir={tmp_path}"]) == 2
    assert "--workdir must be a run" in capsys.readouterr().err


def test_every_split_is_scanned(root, capsys):
    lists = root / "ucfTrainTestlist"
    lines = (lists / "trainlist01.txt").read_text().splitlines()
    jump = [line for line in lines if line.startswith("Jump")]
    rest = [line for line in lines if "g04" not in line]
    (lists / "trainlist02.txt").write_text("\n".join(rest))
    (lists / "testlist02.txt").write_text(jump[-1])
    (lists / "testlist01.txt").write_text("Jump/v_Jump_g05_c01.avi\n")

    assert main([str(root)]) == 0
    assert "videos                                12" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("redirection", "good", "bad"),
    [(">&-", 0, 3), ("<&- >&- 2>&-", 0, 3), ("| true", 0, 3), (">/dev/full", 6, 3)],
)
def test_streams_decide_nothing_but_that_a_table_was_lost(
    root, repository, redirection, good, bad
):
    script = f'"$0" -m data.scan "$@" {redirection}'
    command = ["bash", "-o", "pipefail", "-c", script, sys.executable, root]
    assert subprocess.run(command, cwd=repository).returncode == good
    (root / "UCF-101" / "Run/v_Run_g02_c01.avi").write_bytes(b"nothing")
    assert subprocess.run(command, cwd=repository).returncode == bad
