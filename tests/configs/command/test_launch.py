"""Arguments that are no flags: paths where a program takes them, else a mistake."""

import os
import re
import subprocess
import sys
from types import MappingProxyType

import pytest

SCRIPT = """
import sys
from absl import flags
from configs.command.flags import define, define_path
from configs.command.launch import parse, run
define()
define_path("output", "Somewhere.")
if "--output=x" in sys.argv:
    flags.mark_flag_as_required("config")
positional = sys.argv.pop(1) == "paths"
parse(positional=positional)
flags.DEFINE_string("tfhub_cache_dir", None, "As TensorFlow Hub does.")
F = flags.FLAGS
def main(arguments):
    print(arguments, F.workdir, F.output, F.config, F["model.handle"].value,
          F["data.root"].value)
run(main, positional=positional)
"""


@pytest.fixture
def command(repository):
    """Runs a program that takes paths, or none, without TensorFlow."""

    def command(*arguments, home="/home/me", code=0, locale=MappingProxyType({})):
        result = subprocess.run(
            [sys.executable, "-c", SCRIPT, *arguments],
            cwd=repository,
            env=os.environ | {"HOME": home, **locale},
            capture_output=True,
            text=True,
        )
        assert result.returncode == code, result.stderr
        return result.stdout.strip() or result.stderr.strip()

    return command


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["epochs=1"], "received 'epochs=1'. Did you mean --epochs=1?"),
        (["data.root=X"], "received 'data.root=X'. Did you mean --data.root=X?"),
        (["data.rot=X"], "Did you mean --data.root=X?"),
        (["--epochs=1", "workdir"], "Did you mean --workdir=…?"),
        (["—epochs=1"], "Did you mean --epochs=1?"),
        (["--output=x", "config=demo"], "Did you mean --config=demo?"),
        (["--", "--epochs=1"], "Did you mean --epochs=1?"),
        (["--tfhub_cache_dir", "x", "epochs=1"], "Did you mean --epochs=1?"),
        (["xyzzy"], "received 'xyzzy'. See --help."),
    ],
)
def test_an_argument_that_must_be_a_flag_is_a_usage_error(command, arguments, advice):
    line = command("flags", *arguments, code=2)
    assert line.startswith("ConfigError: Every option is a flag, --name=value; ")
    assert advice in line and "\n" not in line


def test_a_value_of_a_library_s_flag_is_no_argument(command):
    assert command("flags", "--tfhub_cache_dir", "x").startswith("[] ")


def test_the_home_folder_is_found_in_every_path(command):
    line = command(
        "paths",
        *("~/in", "https://tfhub.dev/x~", "~"),
        *("--workdir=~/runs/x", "--output=~/out", "--config=~/mine.py"),
        *("--model.handle=~/swin", "--data.root=~"),
    )
    assert line == (
        "['/home/me/in', 'https://tfhub.dev/x~', '/home/me'] /home/me/runs/x "
        "/home/me/out /home/me/mine.py /home/me/swin /home/me"
    )


C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "marked"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("locale", [{}, C_LOCALE], ids=["usual", "C"])
def test_a_flagfile_is_utf_8_in_every_locale(command, tmp_path, mark, end, locale):
    inner = [b"// a comment", b"--output=inner", b"", b"--tfhub_cache_dir=x"]
    (tmp_path / "inner").write_bytes(end.join(inner))
    outer = ["--workdir=a", "# caf\u00e9", f"--flagfile={tmp_path}/inner", "--config=c"]
    (tmp_path / "f").write_bytes(mark + end.join(s.encode() for s in outer))
    flagfile = f"--flagfile={tmp_path}/f"
    line = command("paths", flagfile, "--config=d", "in", locale=locale)
    assert line == "['in'] a inner d None None"
    line = command(
        "flags", "--config", "d", "-flagfile", f"{tmp_path}/f", locale=locale
    )
    assert line == "[] a inner c None None"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"--workdir=caf\xe9", "in UTF-8; .* cannot be read"),
        (b"\xff\xfe-\0", "in UTF-8; .* cannot be read"),
        (None, "cannot be read: No such file"),
        (b"--flagfile=FILE", "includes itself"),
        (b"--flagfile=", "cannot be read: Is a directory"),
        (b"--epoch=3", "Unknown command line flag"),
        (b"epochs=3", "Did you mean --epochs=3"),
    ],
    ids=["Latin-1", "UTF-16", "absent", "loop", "nameless", "unknown", "no dashes"],
)
def test_a_flagfile_that_is_none_is_a_usage_error(command, tmp_path, content, message):
    path = tmp_path / "flagfile"
    if content is not None:
        path.write_bytes(content.replace(b"FILE", bytes(path)))
    line = command("flags", f"--flagfile={path}", code=2)
    assert re.search(message, line) and "\n" not in line


def test_what_follows_the_flags_is_no_flagfile(command, tmp_path):
    assert command("paths", "--", "--flagfile=x").startswith("['--flagfile=x']")
    assert "--flagfile must name a file" in command("flags", "--flagfile", code=2)


@pytest.mark.parametrize(
    "argument",
    ["--workdir=~nosuchuser/x", "--data.root=~nosuchuser", "~nosuchuser/video.mp4"],
)
def test_the_home_of_nobody_is_refused(command, argument):
    line = command("paths", argument, code=2)
    assert "must begin with ~ only where that is a home folder" in line
    assert "'./~nosuchuser" in line and "\n" not in line


def test_an_error_of_a_flag_obeys_no_name(command):
    line = command("flags", "--epochs=\x1b[1m\n", code=2)
    assert "\x1b" not in line and "\n" not in line and r"\x1b[1m" in line
