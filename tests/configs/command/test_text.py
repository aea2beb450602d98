"""Names from outside reach a terminal as text, whatever they are made of."""

import logging
import os
import subprocess
import sys

import pytest

from configs.command.launch import Formatter
from configs.command.text import counted, printable

ESCAPED = {
    "\x1b[31mred\x1b[0m": r"\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "two\nlines\r\tand": r"two\nlines\r\tand",
    "\x00\x7f\x9b1m": r"\x00\x7f\x9b1m",
    "gpj.\u202eexe": r"gpj.\u202eexe",
    "zero\u200bwidth\ufeff": r"zero\u200bwidth\ufeff",
    "line\u2028break": r"line\u2028break",
    "caf\udce9.mp4": r"caf\udce9.mp4",
}
UNHARMED = (
    "pay_$5_to_$10^",
    r"a\b{c}%'\"",
    "café",
    "cafe\u0301",
    "快钱",
    "مرحبا",
    "می\u200cخواهم",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "wide\u3000blank\u00a0",
    "x" * 5000,
)


@pytest.mark.parametrize("text", ESCAPED, ids=ascii)
def test_what_a_terminal_would_obey_becomes_an_escape(text):
    assert printable(text) == ESCAPED[text]
    assert printable(printable(text)) == printable(text)


@pytest.mark.parametrize("text", UNHARMED, ids=lambda text: ascii(text)[:20])
def test_other_text_is_unharmed(text):
    assert printable(text) == text


def logged(path, message, *arguments, error=None):
    """A line as the log shows it, for a record that a file writes."""
    record = logging.LogRecord("absl", 30, path, 1, message, arguments, error)
    return Formatter().format(record).partition(" ")[2]


def test_a_name_cannot_forge_a_line_of_the_log():
    name = "a\n12:00:00 all is well\x1b[2J"
    line = logged(__file__, "Left out of training: %s.", name)
    assert line == r"Left out of training: a\n12:00:00 all is well\x1b[2J."


def test_lines_of_a_library_and_of_a_traceback_stay_lines():
    assert logged("/usr/lib/x.py", "one\ntwo\x1b[1m") == "one\ntwo" + r"\x1b[1m"
    try:
        raise OSError("a\x1b[1m")
    except OSError:
        text = logged(__file__, "Failed.", error=sys.exc_info())
    assert text.count("\n") >= 3 and r"a\x1b[1m" in text and "\x1b" not in text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_encoding_of_standard_output_makes_printing_fail(repository, encoding):
    code = (
        "from configs.command.streams import protect\n"
        "from configs.command.text import say\n"
        "protect()\n"
        r"say('caf\u00e9 \u5feb \udce9 \x1b[1m')"
    )
    environment = {"PYTHONIOENCODING": encoding}
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository,
        env=os.environ | environment,
        capture_output=True,
        check=True,
    )
    shown = {
        "ascii": rb"caf\xe9 \u5feb",
        "latin-1": b"caf\xe9 " + rb"\u5feb",
        "utf-8": "café 快".encode(),
    }
    assert result.stdout == shown[encoding] + rb" \udce9 \x1b[1m" + b"\n"


def test_one_of_a_kind_is_no_plural():
    assert [counted(n, "view") for n in (0, 1, 2)] == ["0 views", "1 view", "2 views"]
