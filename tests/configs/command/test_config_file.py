"""A user's own config: what it may import, and what is said when it fails."""

import os
import subprocess
import sys

import pytest

from configs.command.config_file import experiment_of
from configs.command.errors import ConfigError

GOOD = "from configs.demo import config\n"


def written(folder, **files):
    """The first of the Python files, after all are written to a folder."""
    paths = []
    for name, text in files.items():
        paths.append(folder / f"{name}.py")
        paths[-1].write_text(text, encoding="utf-8")
    return paths[0]


def test_a_config_may_import_its_neighbour(tmp_path):
    path = written(
        tmp_path,
        mine="import dataclasses\n"
        "from my_neighbour import EPOCHS\n"
        "from configs.demo import config as demo\n"
        "def config():\n"
        "    from my_late_neighbour import SEED\n"
        "    return dataclasses.replace(demo(), epochs=EPOCHS, seed=SEED)\n",
        my_neighbour="EPOCHS = 7\n",
        my_late_neighbour="SEED = 5\n",
    )
    before = list(sys.path)
    config = experiment_of(path)
    assert (config.epochs, config.seed) == (7, 5)
    assert sys.path == before


def test_a_folder_that_python_knows_keeps_its_place(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    before = list(sys.path)
    experiment_of(written(tmp_path, mine=GOOD))
    assert sys.path == before


@pytest.mark.parametrize("name", ["configs", "data", "storage", "json", "numpy"])
def test_a_neighbour_takes_no_place_of_ours_or_of_a_library(tmp_path, repository, name):
    """Asked in a process that has imported nothing yet."""
    files = {"mine": GOOD + "import data, storage, json, numpy\n"}
    path = written(tmp_path, **files, **{name: "raise RuntimeError('hidden')\n"})
    code = (
        "import pathlib, sys\n"
        "from configs.command.config_file import experiment_of\n"
        "print(experiment_of(pathlib.Path(sys.argv[1])).epochs)"
    )
    command = [sys.executable, "-c", code, path]
    result = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_a_config_called_like_one_of_ours_is_itself_and_hides_nothing(tmp_path):
    import configs.demo

    path = written(
        tmp_path,
        demo="from __future__ import annotations\n"
        "import dataclasses\n"
        "from configs.demo import config as ours\n"
        "@dataclasses.dataclass\n"
        "class Options:\n"
        "    epochs: int = 9\n"
        "def config():\n"
        "    return dataclasses.replace(ours(), epochs=Options().epochs)\n",
    )
    assert experiment_of(path).epochs == 9
    assert sys.modules["configs.demo"] is configs.demo


FAULTS = {
    "syntax": ("def config(:\n", r"mine.py line 1: SyntaxError: "),
    "indentation": ("def config():\nreturn 1\n", r"mine.py line 2: IndentationError"),
    "name": (
        GOOD + "x = nmae\n",
        r"mine.py line 2: NameError: name 'nmae' is not defined",
    ),
    "late": ("def config():\n\n    return 1 / 0\n", r"mine.py line 3: ZeroDivision"),
    "library": ("import json\njson.loads('')\n", r"mine.py line 2: JSONDecodeError"),
    "missing module": ("import no_such_module\n", r"mine.py line 1: ModuleNotFound"),
    "neighbour": (
        "def config():\n    import faulty_neighbour\n",
        r"faulty_neighbour.py line 2: KeyError: 'a b'",
    ),
    "neighbour's syntax": (
        "import unreadable_neighbour\n",
        r"unreadable_neighbour.py line 3: SyntaxError",
    ),
    "our rule": (
        "from configs.schema import Data\nData(size=1)\n",
        r"mine.py line 2: data.size must be at least 8; received 1",
    ),
    "no function": ("x = 1\n", r"mine.py must define a function config\(\)"),
    "no function either": ("config = 3\n", r"mine.py must define a function config"),
    "wrong value": (
        "\ndef config():\n    return {}\n",
        r"mine.py line 2: config\(\) must return a .*Experiment; received a dict",
    ),
    "nothing returned": ("def config():\n    pass\n", "received a NoneType"),
    "code in text": (
        "\ndef config():\n    exec('1 / 0')\n",
        "mine.py line 3: ZeroDivisionError",
    ),
    "arguments": ("def config(size):\n    pass\n", r"mine.py: TypeError: .*'size'"),
    "exit": ("import sys\nsys.exit(0)\n", r"mine.py line 2: it ends the process .*0"),
    "lines": ("raise ValueError('a\\nb\\n  c')\n", r"line 1: ValueError: a b c$"),
    "message": (
        "class E(Exception):\n    def __str__(self):\n        1 / 0\nraise E\n",
        "mine.py line 4: E: its message fails, too",
    ),
    "message that exits": (
        "class E(Exception):\n    def __str__(self):\n        exit(7)\nraise E\n",
        "mine.py line 4: E: its message fails, too",
    ),
    "no exception": ("class E(BaseException):\n    pass\nraise E\n", "line 3: E: "),
    "nul": ("x = 1\0\n", r"mine.py.*null byte"),
    "recursion": ("def config():\n    return config()\n", "line 2: RecursionError"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_with_file_and_line(tmp_path, fault, monkeypatch):
    monkeypatch.chdir(tmp_path)  # In which <frozen importlib> is no file.
    text, message = FAULTS[fault]
    path = written(
        tmp_path,
        mine=text,
        faulty_neighbour="\n{}['a b']\n",
        unreadable_neighbour="\n\n(\n",
    )
    with pytest.raises(ConfigError, match=message) as raised:
        experiment_of(path)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_no_text_is_one_line(tmp_path):
    path = tmp_path / "mine.py"
    path.write_bytes(b"x = '\xe9'\n")
    with pytest.raises(ConfigError, match="mine.py.*SyntaxError"):
        experiment_of(path)


def test_interrupting_is_no_fault_of_the_file(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        experiment_of(written(tmp_path, mine="raise KeyboardInterrupt\n"))


def test_the_command_ends_in_one_line_and_2(tmp_path, repository):
    """A process, without TensorFlow."""
    path = written(tmp_path, mine="\nraise SystemExit(0)\n")
    code = (
        "import sys; from absl import flags; "
        "from configs.command import flags as ours, launch; ours.define(); "
        "launch.run(lambda _: ours.load(flags.FLAGS.config))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, f"--config={path}"],
        cwd=repository,
        env=os.environ | {"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert f"ConfigError: {path} line 2: it ends the process" in line
