"""Our own files are UTF-8, whatever the locale of the machine is."""

import ast
import os
import subprocess
import sys

import pytest

FOLDERS = ("configs", "storage", "strategy", "data", "model", "callbacks", "benchmarks")
# Where each call takes the encoding, or the mode, if it is not named.
PLACES = {"open": 3, "read_text": 0, "write_text": 1}


def calls(path):
    """Every call that opens a file as text by its name: (line, whether it says how)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = getattr(function, "attr", getattr(function, "id", None))
        if name not in PLACES or name == "open" and not isinstance(function, ast.Name):
            continue
        mode = node.args[1] if name == "open" and len(node.args) > 1 else None
        if isinstance(mode, ast.Constant) and "b" in mode.value:
            continue
        named = any(keyword.arg == "encoding" for keyword in node.keywords)
        yield node.lineno, named or len(node.args) > PLACES[name]


def test_every_text_file_is_opened_with_an_encoding(repository):
    paths = [path for folder in FOLDERS for path in (repository / folder).rglob("*.py")]
    found = [(path, *call) for path in paths for call in calls(path)]
    assert len(found) > 5
    assert not [f"{path}:{line}" for path, line, says in found if not says]


SCRIPT = """
import locale, pathlib, sys
assert locale.getpreferredencoding(False) not in ("utf-8", "UTF-8"), "not that locale"
from configs.command.streams import protect
from configs.command.text import say
from storage.files import read_json, write_atomically
from storage.run_folder import RunFolder
import json
folder = RunFolder(sys.argv[1])
names = json.loads(sys.argv[2])
with folder.locked():
    write_atomically(folder / "run.json", json.dumps(names, ensure_ascii=False))
assert folder.identity == names, ascii(folder.identity)
protect()
say(list(names["class_names"])[0])
"""


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_files_of_a_run_are_utf_8_under_any_locale(repository, tmp_path, locale):
    """In a process of its own, without TensorFlow."""
    environment = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    names = '{"run_id": "x", "class_names": ["caf\\u00e9", "\\u5feb\\u94b1"]}'
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path / "run", names],
        cwd=repository,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "caf\\xe9\n"
    assert "快钱" in (tmp_path / "run" / "run.json").read_text(encoding="utf-8")
