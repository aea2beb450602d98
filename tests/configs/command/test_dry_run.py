from pathlib import Path

import pytest

from configs.command.dry_run import check_dry_run, command_lines
from configs.command.errors import ConfigError


def test_several_workers_are_told_what_to_try_instead():
    check_dry_run(True, 1)
    check_dry_run(False, 2)
    with pytest.raises(ConfigError, match="names 2. Try .*--runtime.cluster=none"):
        check_dry_run(True, 2)


@pytest.mark.parametrize("flag", ["--dry_run", "-dry_run", "--dry_run=true"])
def test_the_command_is_the_one_that_was_given(flag):
    given = ["train.py", "--workdir=my runs/a", flag, "--epochs=3"]
    _, own, evaluate, export = command_lines(Path("my runs/a"), given)
    assert own == "  python train.py '--workdir=my runs/a' --epochs=3"
    assert evaluate == "  python evaluate.py --workdir='my runs/a'"
    assert export == "  python export.py --workdir='my runs/a' exported/a"


def test_a_flag_that_a_file_holds_is_overruled():
    _, own, *_ = command_lines(Path("a"), ["train.py", "--flagfile=mine"])
    assert own == "  python train.py --flagfile=mine --nodry_run"
