"""What standard output and error are like changes nothing but what is printed."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
from absl import logging
from configs.command.launch import run
from configs.command.streams import produce

def main(arguments):
    opened = os.open(os.devnull, os.O_RDONLY)
    assert opened > 2, "a file in the place of a standard stream"
    for number in range(3):
        logging.info("line %d", number)
        (produce if arguments else print)("text " * 5000)
    with open("done", "w"):
        pass
    if arguments[1:]:
        raise ValueError(arguments)

run(main)
"""


@pytest.fixture
def program(repository, tmp_path):
    """Runs the program with redirections as the shell writes them; its exit code."""

    def program(redirections, *arguments):
        script = f'"$0" -c "$PROGRAM" "$@" {redirections}'
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", script, sys.executable, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(repository), "PROGRAM": PROGRAM},
            capture_output=True,
            text=True,
        )

    return program


STREAMS = [
    ">&-",
    "2>&-",
    "<&- >&- 2>&-",
    ">/dev/full",
    "2>/dev/full",
    ">/dev/full 2>/dev/full",
    "| true",
    "2>&1 | head -1",
    "2>&1 >/dev/null | true",
    "</dev/null 1</dev/null",
]


@pytest.mark.parametrize("redirections", STREAMS)
def test_streams_change_only_what_is_printed(program, tmp_path, redirections):
    assert program(redirections).returncode == 0
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("redirections", ["2>&-", "2>/dev/full", "<&- >&- 2>&-"])
def test_an_error_keeps_its_exit_code(program, redirections):
    assert program(redirections, "product", "fails").returncode == 1


@pytest.mark.parametrize(
    ("redirections", "code", "whole"),
    [
        (">&-", 0, True),
        ("2>/dev/full", 0, True),
        (">/dev/full", 6, False),
        (">/dev/full 2>/dev/full", 6, False),
        ("| head -c 1", 0, False),
    ],
)
def test_a_product_that_cannot_be_written_is_no_success(
    program, tmp_path, redirections, code, whole
):
    """But a reader that has seen enough, or wants none, is."""
    result = program(redirections, "product")
    assert result.returncode == code
    assert (tmp_path / "done").exists() == whole
    assert "Traceback" not in result.stderr
    if code == 6 and "2>" not in redirections:
        assert "Standard output cannot be written: [Errno 28]" in result.stderr


def test_names_that_are_no_text_do_not_make_printing_fail(program):
    """Linux names files by bytes; Python keeps those that are not UTF-8."""
    code = "import sys; from configs.command.streams import protect, produce\n"
    code += (
        "protect(); produce('caf\\udce9', '\\u00e9'); print('\\udce9', file=sys.stderr)"
    )
    for encoding, accent in (("utf-8", b"\xc3\xa9"), ("ascii", rb"\xe9")):
        result = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONIOENCODING": encoding},
            capture_output=True,
            check=True,
        )
        assert result.stdout == rb"caf\udce9" + b"\n" + accent + b"\n"
        assert b"udce9" in result.stderr


def test_input_that_must_not_block_is_waited_for(repository):
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    code = (
        "from configs.command.streams import standard_input\n"
        "for _ in range(3): print(standard_input().read1(9), flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=repository,
        stdin=reading,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(reading)
        for piece in (b"one", b"two"):  # The next when the one before it has been read.
            os.write(writing, piece)
            assert process.stdout.readline() == f"{piece}\n"
        os.close(writing)
        assert process.stdout.read() == "b''\n"
    assert process.returncode == 0
